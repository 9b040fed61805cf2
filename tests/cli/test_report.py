"""The command `report`, and `optimize --report`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer import optimize


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the JSON file of a search."""
    path = tmp_path_factory.mktemp("results") / "result.json"
    path.write_text(optimize("momentum", "nasdaq", evaluations=60, ledger=False).to_json())
    return path


def test_optimize_writes_a_report_and_ends_with_its_path(call: Callable, tmp_path: Path) -> None:
    target = tmp_path / "momentum.html"
    done = call("optimize", "momentum", "-n", "30", "--no-ledger", "--report", target)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == f"wrote the report to {target}"
    page = target.read_text(encoding="utf-8")
    assert f"strategy-optimizer optimize momentum -n 30 --no-ledger --report {target}" in page
    assert "times the starting cash" in page


def test_json_stays_json(call: Callable, tmp_path: Path) -> None:
    target = tmp_path / "momentum.html"
    done = call("optimize", "momentum", "-n", "10", "--no-ledger", "--json", "-q", "--report", target)
    assert done.code == 0, done.err
    assert json.loads(done.out)["task_id"]
    assert target.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/page.html", "does not exist"),
        ("page.pdf", "expected one of .html, .htm"),
        ("page", "has no ending"),
        ("folder.html", "is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_found_before_the_search(
    call: Callable, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    done = call("optimize", "no_such_strategy", "--report", tmp_path / name)
    assert done.code == 2
    assert reason in done.err
    assert "no_such_strategy" not in done.err


def test_a_result_file_becomes_a_report(call: Callable, written: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    done = call("report", written, "--out", target, "--no-walk-forward", "-q")
    assert done.code == 0, done.err
    assert done.out == ""
    assert done.err == f"wrote the report to {target}\n"
    assert "times the starting cash" in target.read_text(encoding="utf-8")


def test_data_and_strategy_can_be_named(call: Callable, written: Path, tmp_path: Path) -> None:
    arguments = ("report", written, "--out", tmp_path / "page.html", "--no-walk-forward")
    assert call(*arguments, "--data", "nasdaq", "--strategy", "momentum").code == 0
    wrong = call(*arguments, "--data", "sp500")
    assert wrong.code == 2
    assert "the data sp500 are not those that the result was made from" in wrong.err
    wrong = call(*arguments, "--strategy", "ma_cross")
    assert wrong.code == 2
    assert "the strategy ma_cross is not the one" in wrong.err


def test_what_is_no_result_is_refused(call: Callable, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = call("report", tmp_path / "x.json", "--out", tmp_path / "page.html")
    assert done.code == 2
    assert "is no result" in done.err
    assert not (tmp_path / "page.html").exists()


def test_ctrl_c_leaves_no_file(
    call: Callable, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("strategy_optimizer.report.writing.report_data", interrupted)
    done = call("report", written, "--out", tmp_path / "page.html")
    assert done.code == 130
    assert "no report was written" in done.err
    assert not (tmp_path / "page.html").exists()
    done = call("optimize", "momentum", "-n", "5", "--no-ledger", "--report", tmp_path / "page.html")
    assert done.code == 130
    assert "verdict" in done.out  # the result is shown all the same
