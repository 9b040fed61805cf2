"""Searches that were interrupted are kept for a while, and not for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from strategy_optimizer.cli import runs
from strategy_optimizer.tasks.lock import FileLock

DAY = 86_400


@pytest.fixture
def folder_of(state: Path):
    """Return a function that makes the folder of a search that was last saved some days ago."""

    def make(name: str, days: float, *others: str) -> Path:
        folder = state / "runs" / name
        folder.mkdir(parents=True)
        for file in ("state.json", "trials.bin", "lock", *others):
            (folder / file).write_text("x")
            os.utime(folder / file, (time.time() - days * DAY,) * 2)
        return folder

    return make


def test_old_searches_go_and_young_ones_stay(folder_of) -> None:
    old, older, young = folder_of("a", 31), folder_of("b", 400, "state.tmp"), folder_of("c", 29)
    kept = folder_of("d", 31)
    assert runs.prune(keep=kept) == 2
    assert [path.exists() for path in (old, older, young, kept)] == [False, False, True, True]


def test_one_new_file_keeps_a_search(folder_of) -> None:
    folder = folder_of("a", 100)
    (folder / "trials.bin").write_text("more")
    assert runs.prune(keep=Path()) == 0
    assert folder.exists()


def test_a_running_search_stays(folder_of) -> None:
    folder = folder_of("a", 100)
    lock = FileLock(folder / "lock")
    lock.acquire()
    os.utime(folder / "lock", (0, 0))
    assert runs.prune(keep=Path()) == 0
    lock.release()
    os.utime(folder / "lock", (0, 0))
    assert runs.prune(keep=Path()) == 1


def test_folders_of_others_stay(folder_of, state: Path) -> None:
    folder_of("a", 100, "thesis.doc")
    (state / "runs" / "empty").mkdir()
    (state / "runs" / "file").write_text("x")
    assert runs.prune(keep=Path()) == 0
    assert len(list((state / "runs").iterdir())) == 3


def test_without_a_folder_there_is_nothing_to_do(state: Path) -> None:
    assert runs.prune(keep=Path()) == 0
    assert not state.exists()


def test_the_next_search_removes_them_and_says_so(call, folder_of) -> None:
    folder = folder_of("a", 31)
    search = ("optimize", "momentum", "--from", "2014", "-n", 20)
    assert "interrupted run" not in call(*search, "--checkpoint", folder.parent.parent / "mine").err
    assert folder.exists()
    outcome = call(*search)
    assert "removed 1 interrupted run that nobody continued for 30 days" in outcome.err
    assert not folder.exists()
    folder_of("b", 31)
    assert call(*search, "--quiet").err == ""
