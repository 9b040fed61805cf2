"""Long tasks are sorted and searched on the disk, with the same pages as short ones in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage_worlds import leased, make_history, save_all
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.reading import history as history_module
from strategy_optimizer.reading.functions import Call, run
from strategy_optimizer.reading.history import HistoryReader
from strategy_optimizer.reading.history_query import HistoryQuery
from strategy_optimizer.reading.table_files import Run, TableFiles
from strategy_optimizer.storage import Store, TaskRecord, TrialChunk

N = 600
QUERIES = [
    HistoryQuery(sort="score"),
    HistoryQuery(sort="score", descending=True),
    HistoryQuery(sort="sharpe_ratio", descending=True, since=77),
    HistoryQuery(("failed",)),
    HistoryQuery(feasible=True, min_score=0.0, sort="max_drawdown"),
    HistoryQuery(("completed",), max_score=0.5, descending=True),
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        yield store


@pytest.fixture
def asked() -> list[str]:
    """The functions that were asked for."""
    return []


@pytest.fixture
def here(store: Store, asked: list[str]) -> Run:
    """Runs functions of the child in this process."""

    def work(function: str, arguments: Mapping[str, Any], *, user: str) -> bytes:
        asked.append(function)
        return json.dumps(run(function, Call(store, arguments, lambda block: None))).encode()

    return work


@pytest.fixture
def files(tmp_path: Path, here: Any) -> Iterator[TableFiles]:
    files = TableFiles(tmp_path / "cache", here)
    yield files
    files.close()
    assert list((tmp_path / "cache").glob("*")) == []


def numbers(reader: HistoryReader, task: TaskRecord, query: HistoryQuery) -> list[dict[str, Any]]:
    return [
        entry for at in range(0, N, 100) for entry in reader.page(task, query, at, 100, user="ada").entries
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_pages_are_those_of_a_short_task(
    store: Store, files: TableFiles, asked: list[str], monkeypatch: pytest.MonkeyPatch, query: HistoryQuery
) -> None:
    lease, history = leased(store), make_history(N)
    save_all(store, lease, history, 250)
    task = store.tasks.get(lease.task.id)
    in_memory = numbers(HistoryReader(store, files), task, query)
    assert asked == []
    monkeypatch.setattr(history_module, "IN_MEMORY", 100)
    reader = HistoryReader(store, files)
    assert numbers(reader, task, query) == in_memory
    assert len(in_memory) > 20
    assert asked == ["index"]  # once for all pages
    assert reader.page(task, query, 0, 1, user="ada").total == len(in_memory)


def test_what_came_since_is_added(store: Store, files: TableFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "IN_MEMORY", 100)
    lease, history = leased(store), make_history(N)
    reader, query = HistoryReader(store, files), HistoryQuery(sort="score", descending=True)
    for stop in (150, 151, 420, N):
        done = store.tasks.get(lease.task.id).trials
        store.trials.save(lease, TrialChunk.of(history, done, stop), {})
        task = store.tasks.get(lease.task.id)
        found = numbers(reader, task, query)
        scores = history.scores[:stop]
        best = np.argsort(-scores[np.isfinite(scores)], kind="stable")
        assert [entry["performance"]["composite_score"] for entry in found[:5]] == [
            scores[np.isfinite(scores)][i] for i in best[:5]
        ]
        assert sorted(entry["iteration"] for entry in found) == list(range(1, stop + 1))
        reasons = {entry["iteration"]: entry["reason"] for entry in found}
        assert [reasons[number] for number in range(1, stop + 1)] == history.reasons[:stop]


def test_an_older_look_sees_what_there_was(
    store: Store, files: TableFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "IN_MEMORY", 100)
    lease, history = leased(store), make_history(N)
    save_all(store, lease, history, N // 2)
    before = store.tasks.get(lease.task.id)
    shorter = replace(before, trials=N // 2)
    reader, query = HistoryReader(store, files), HistoryQuery(sort="score", descending=True)
    assert reader.page(before, query, 0, 1, user="ada").total == N
    found = reader.page(shorter, query, 0, 1000, user="ada")
    assert sorted(entry["iteration"] for entry in found.entries) == list(range(1, N // 2 + 1))
    scores = [entry["performance"]["composite_score"] for entry in found.entries]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)
    assert scores[: len(known)] == known


def test_a_child_that_dies_in_between_leaves_nothing_wrong(
    store: Store, files: TableFiles, here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "IN_MEMORY", 100)
    lease, history = leased(store), make_history(N)
    save_all(store, lease, history, N // 2)
    task, query = store.tasks.get(lease.task.id), HistoryQuery(sort="score")
    files.read(task, "score", "ada")
    (folder,) = [path.parent for path in (files._folder()).glob("*/rows.bin")]
    for name in ("rows.bin", "keys.bin"):
        with (folder / name).open("ab") as file:
            file.write(b"half of a ro")
    more = make_history(100, seed=1, history=history)
    store.trials.save(lease, TrialChunk.of(more, N, N + 100), {})
    task = store.tasks.get(lease.task.id)
    found = HistoryReader(store, files).page(task, query, 0, 1000, user="ada").entries
    trial = {entry["iteration"]: entry for entry in found}[N + 50]
    assert trial["parameters"] == more[N + 49].parameters


def test_a_number_that_is_not_there_is_an_error(
    store: Store, files: TableFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "IN_MEMORY", 100)
    lease = leased(store)
    save_all(store, lease, make_history(N), N)
    task = store.tasks.get(lease.task.id)
    with pytest.raises(ObjectiveError, match="did you mean 'score'"):
        HistoryReader(store, files).page(task, HistoryQuery(sort="scor"), 0, 10, user="ada")
    with pytest.raises(ObjectiveError, match=r"\.\./rows"):
        HistoryReader(store, files).page(task, HistoryQuery(sort="../rows"), 0, 10, user="ada")


def test_the_longest_unused_is_forgotten(store: Store, tmp_path: Path, here: Any, asked: list[str]) -> None:
    tasks = []
    for _ in range(3):
        lease = leased(store)
        save_all(store, lease, make_history(N), N)
        tasks.append(store.tasks.get(lease.task.id))
    files = TableFiles(tmp_path / "cache", here)
    files.read(tasks[0], "score", "ada")
    files.limit = round(2.5 * files.size)
    for task in (tasks[1], tasks[0], tasks[2], tasks[0]):
        files.read(task, "score", "ada")
    assert asked == ["index"] * 3
    table, _ = files.read(tasks[1], "score", "ada")
    assert asked == ["index"] * 4
    assert len(table.entries([N - 1])) == 1
    assert files.size <= files.limit
    files.close()


def test_what_a_dead_process_left_is_removed(store: Store, tmp_path: Path, here: Any) -> None:
    lease: Any = leased(store)
    save_all(store, lease, make_history(N), N)
    task = store.tasks.get(lease.task.id)
    (tmp_path / "cache" / "tables-dead" / "x").mkdir(parents=True)
    one, other = (TableFiles(tmp_path / "cache", here) for _ in range(2))
    one.read(task, "score", "ada")
    other.read(task, "score", "ada")
    assert len(list((tmp_path / "cache").glob("*"))) == 2
    assert not (tmp_path / "cache" / "tables-dead").exists()
    one.close()
    assert len(other.read(task, "score", "ada")[0]) == N
    other.close()
