"""A search that ends by itself when it has stopped improving, and says what more of it would bring."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from strategy_optimizer import optimize
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import Budget


def test_patience_auto_ends_a_search_that_stopped_improving() -> None:
    result = optimize("momentum", "nasdaq", optimizer="ga", evaluations=200_000, patience="auto", seed=1)
    assert result.stop_reason == "converged"
    assert 1000 <= result.counts.trials < 200_000


def test_a_result_says_what_more_trials_would_bring() -> None:
    result = optimize("momentum", "nasdaq", optimizer="ga", evaluations=400, seed=1)
    (note,) = [note for note in result.notes if note.startswith("as many trials again")]
    assert "the last three doublings of the trials raised it by" in note
    few = optimize("momentum", "nasdaq", optimizer="ga", evaluations=12, seed=1)
    assert not any(note.startswith("as many trials again") for note in few.notes)


def test_patience_is_a_number_or_auto() -> None:
    assert Budget(patience="auto").patience == "auto"
    with pytest.raises(TaskError, match="patience is 'some'; expected a whole number from 1 up or auto"):
        Budget(patience="some")  # type: ignore[arg-type]


def test_a_result_says_who_proposed_what(tmp_path: Path) -> None:
    result = optimize("momentum", "nasdaq", optimizer="hybrid", evaluations=60, seed=1)
    assert sum(result.optimizer["trials_by_author"].values()) <= 60
    assert result.optimizer["screening"]["bred"] > 0
    authors = [trial.author for trial in result.history]
    assert {name: authors.count(name) for name in ("ga", "bo")} == result.optimizer["trials_by_author"]
    path = tmp_path / "trials.csv"
    result.export(path)
    with path.open() as file:
        assert [row["author"] or None for row in csv.DictReader(file)] == authors
    assert [entry.get("author") for entry in result.to_dict()["optimization_history"]] == authors
