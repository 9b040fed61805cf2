"""The command `cache`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer.tasks.trial_cache import CachedTrial, TrialCache


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATEGY_OPTIMIZER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(n: int) -> None:
    with TrialCache() as cache:
        for number in range(n):
            cache.put(bytes([number]) * 32, CachedTrial({"score": 1.0}, seconds=90.0))


def test_an_empty_cache_says_so_and_is_not_made(call: Callable, folder: Path) -> None:
    done = call("cache")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"The trial cache {folder}/trials-1.sqlite has no trial yet.\n"
    assert "nothing to remove" in call("cache", "--clear").err
    assert not folder.exists()


def test_it_shows_what_is_kept_and_forgets_it(call: Callable, folder: Path) -> None:
    fill(4)
    assert "has 4 trials that took 6 min 0 s to compute, in 0.0 of at most 512 MB" in call("cache").out
    figures = json.loads(call("cache", "--json").out)
    assert (figures["trials"], figures["seconds"], figures["problem"]) == (4, 360.0, None)
    assert 0 < figures["size"] < figures["max_bytes"]
    done = call("cache", "--clear")
    assert (done.code, done.out) == (0, "")
    assert "removed 4 trials of the trial cache" in done.err
    assert json.loads(call("cache", "--json").out)["trials"] == 0


def test_a_damaged_file_is_said_and_set_aside(call: Callable, folder: Path) -> None:
    folder.mkdir()
    (folder / "trials-1.sqlite").write_bytes(b"nothing like it " * 500)
    done = call("cache")
    assert done.code == 0
    assert "set aside" in done.err
    assert "no trial yet" in done.out


def test_a_file_that_cannot_be_used_is_no_success(call: Callable, folder: Path) -> None:
    (folder / "trials-1.sqlite").mkdir(parents=True)
    done = call("cache", "--clear")
    assert done.code == 1
    assert "cannot be used" in done.err


def test_wrong_use_is_one_error(call: Callable) -> None:
    done = call("cache", "--clear", "--json")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "give one of" in done.err
