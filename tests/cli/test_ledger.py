"""The command `ledger`, and what other commands say of it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer.validation.ledger import Ledger

SEARCH = ("optimize", "momentum", "--optimizer", "random", "-n", 40, "-q")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_empty_ledger_says_so(call: Callable) -> None:
    done = call("ledger")
    assert done.code == 0
    assert "has no search yet" in " ".join(done.out.split())
    assert json.loads(call("ledger", "--json").out) == []
    assert "nothing to remove" in call("ledger", "--reset", "--yes").err


def test_it_lists_what_was_run(call: Callable) -> None:
    call(*SEARCH)
    call("walk-forward", "ma_cross", "--train", "8y", "--test", "4y", "-n", 20, "-q", "--data", "sp500")
    done = call("ledger")
    assert [word in done.out for word in ("momentum", "ma_cross,", "nasdaq", "sp500", "40", "60")] == [
        True
    ] * 6
    both = json.loads(call("ledger", "--json").out)
    assert [(e["kind"], e["trials"], e["held_out_looks"]) for e in both] == [
        ("search", 40, 1),
        ("walk-forward", 60, 1),
    ]
    assert [e["data"] for e in json.loads(call("ledger", "--json", "--data", "sp500").out)] == ["sp500"]
    assert json.loads(call("ledger", "--json", "--data", "sp500", "--to", "2000").out) != []
    assert json.loads(call("ledger", "--json", "--data", "nasdaq", "--from", "2016").out) == both[:1]
    assert "All of these count" in call("ledger", "--data", "nasdaq").out


def test_a_search_says_what_it_counted_and_only_then(call: Callable) -> None:
    assert "earlier " not in call(*SEARCH).out
    done = call(*SEARCH, "--seed", 2)
    assert (
        "earlier    1 search on these data: 80 different trials counted in all, held-out bars seen by 1 other "
        "winner\n" in done.out
    )
    assert "the trial ledger was left out" in call(*SEARCH, "--seed", 3, "--no-ledger").out.replace("\n ", "")
    assert len(Ledger().read().entries) == 2
    every = json.loads(call(*SEARCH, "--seed", 2, "--json").out)["validation"]
    assert every["overfitting"]["all_tasks"]["n_trials"] == 80
    assert every["held_out"]["looks"] == 2


def test_a_reset_asks_on_a_terminal(call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    call(*SEARCH)
    for answer, left in (("", 1), ("n\n", 1), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        done = call("ledger", "--reset")
        assert done.code == 0
        assert "1 entry" in done.err
        assert len(Ledger().read().entries) == left


def test_a_reset_of_some_data_leaves_the_others(call: Callable) -> None:
    call(*SEARCH)
    call(*SEARCH, "--data", "sp500")
    assert "removed 1 entry" in call("ledger", "--reset", "--yes", "--data", "sp500").err
    assert [e.data for e in Ledger().read().entries] == ["nasdaq"]
    assert "removed 1 entry" in call("ledger", "--reset", "--yes").err
    assert list(Ledger().folder.iterdir()) == []


def test_a_reset_of_everything_takes_what_cannot_be_read(call: Callable) -> None:
    call(*SEARCH)
    (Ledger().folder / "bad.entry").write_bytes(b"?")
    done = call("ledger")
    assert "1 entry of the trial ledger" in done.err
    assert "momentum" in done.out
    assert "removed 2 entries" in call("ledger", "--reset", "-y").err
    assert list(Ledger().folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--reset",), "there is no terminal to ask on; add --yes"),
        (("--yes",), "add --reset"),
        (("--reset", "--json", "--yes"), "give one of --reset and --json"),
        (("--from", "2005"), "add --data"),
        (("--data", "nowhere.csv"), "nowhere.csv"),
        (("--data", "nasdaq", "--holdout", "2"), "holdout"),
    ],
)
def test_wrong_use_is_one_error(
    call: Callable, arguments: tuple[str, ...], message: str, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    done = call("ledger", *arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err


def test_the_help_teaches(call: Callable) -> None:
    text = " ".join(call("ledger", "--help").out.split())
    assert "at least half of its bars" in text
    assert "--data prices.csv --reset" in text


def test_a_folder_that_cannot_be_written_costs_a_note(
    call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATA", str(tmp_path / "file"))
    done = call(*SEARCH)
    assert done.code == 0
    assert "the trial ledger cannot be written" in done.out
