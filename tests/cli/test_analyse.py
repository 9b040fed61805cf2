"""The command `analyse`: what it prints, its JSON, and one clear error for everything that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer import optimize


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results of one problem: ga and random with 6 seeds, and one of several objectives."""
    path = tmp_path_factory.mktemp("results")
    for seed in range(6):
        for name in ("ga", "random"):
            result = optimize("momentum", "nasdaq", name, evaluations=120, seed=seed, validate=seed == 0)
            (path / f"{name}-{seed}.json").write_text(result.to_json())
    several = optimize("momentum", "nasdaq", "nsga2", evaluations=120, objective="sharpe_ratio,max_drawdown")
    (path / "several.json").write_text(several.to_json())
    return path


def test_what_it_says(call: Callable, folder: Path) -> None:
    done = call("analyse", folder / "ga-0.json", "--at", "lookback_period=60, threshold=0.03")
    assert done.code == 0, done.err
    assert done.err == ""
    for title in (
        "what the trials say",
        "importance for the score",
        "convergence",
        "the default parameters and the winner",
    ):
        assert f"\n{title}\n" in done.out
    assert "at lookback_period=60, threshold=0.03, position_size=" in done.out
    assert "90% between" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_its_json_is_nothing_but_json(call: Callable, folder: Path) -> None:
    done = call(
        "analyse",
        folder / "ga-0.json",
        "--at",
        "lookback_period=60",
        "--json",
        "--compare",
        folder / "random-0.json",
    )
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["predictions"][0]["parameters"]["lookback_period"] == 60
    assert [row["optimizer"] for row in data["tasks"]] == ["ga", "random"]
    assert data["optimizers"]["pairs"][0]["winner"] is None


def test_optimizers_are_compared_with_a_p_value(call: Callable, folder: Path) -> None:
    first, *others = sorted(folder.glob("ga-*.json")) + sorted(folder.glob("random-*.json"))
    compared = [part for path in others for part in ("--compare", path)]
    done = call("analyse", first, *compared)
    assert done.code == 0, done.err
    assert "the optimizers" in done.out
    assert "over 6 seeds, p = 0." in " ".join(done.out.split())


def test_different_problems_are_only_listed(call: Callable, folder: Path) -> None:
    done = call("analyse", folder / "several.json", "--compare", folder / "ga-0.json")
    assert done.code == 0, done.err
    assert "not compared: the tasks are not of one problem" in done.out
    assert "importance for the max_drawdown" in done.out
    assert "hypervolume" in done.out


def test_trials_of_an_export(call: Callable, folder: Path, tmp_path: Path) -> None:
    result = optimize("momentum", "nasdaq", "random", evaluations=60, validate=False)
    data = json.loads(result.to_json())
    data["optimization_history"] = data["optimization_history"][:2]
    path, trials = tmp_path / "long.json", tmp_path / "trials.parquet"
    path.write_text(json.dumps(data))
    result.export(trials)
    refused = call("analyse", path)
    assert (refused.code, refused.err.count("error:")) == (2, 1)
    assert "--trials FILE.parquet" in refused.err
    assert call("analyse", path, "--trials", trials).code == 0
    assert call("analyse", folder / "ga-0.json", "--compare", path).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.json"], "cannot be read"),
        (
            ["ga-0.json", "--at", "lookback=3"],
            "--at: there is no parameter 'lookback'; did you mean 'lookback_period'?",
        ),
        (["ga-0.json", "--at", "lookback_period"], "--at 'lookback_period' cannot be read"),
        (["ga-0.json", "--at", "lookback_period=3"], "parameter 'lookback_period'"),
        (["ga-0.json", "--compare", "none.json"], "cannot be read"),
    ],
)
def test_one_clear_error(call: Callable, folder: Path, arguments: list[str], message: str) -> None:
    typed = [str(folder / each) if each.endswith(".json") else each for each in arguments]
    done = call("analyse", *typed)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_help_teaches(call: Callable) -> None:
    done = call("analyse", "--help")
    assert done.code == 0
    assert "strategy-optimizer optimize momentum --json > result.json" in done.out
