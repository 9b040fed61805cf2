"""The result's JSON, worked out again from its own history and from the design's text."""

from __future__ import annotations

import json
from itertools import accumulate

import numpy as np
import pytest

from strategy_optimizer import Costs, Rules, get_strategy, load_bars, optimize, run_backtest

WEIGHTS = {"sharpe_ratio": 0.4, "total_return": 0.3, "max_drawdown": 0.2, "win_rate": 0.1}


def refuse(constant: str):
    raise AssertionError(f"{constant} is no JSON")


def composite(metrics) -> float:
    """Return the seed's score."""
    return sum(
        weight * (1 - metrics[name] if name == "max_drawdown" else metrics[name])
        for name, weight in WEIGHTS.items()
    )


@pytest.fixture(scope="module")
def found():
    result = optimize("momentum", "nasdaq", "ga", evaluations=400, seed=3, objective=WEIGHTS, validate=False)
    return json.loads(result.to_json(), parse_constant=refuse)


def test_the_best_is_the_best_of_the_history(found):
    history = found["optimization_history"]
    assert [trial["iteration"] for trial in history] == list(range(1, 401))
    scored = [trial for trial in history if trial["performance"]["composite_score"] is not None]
    best = max(scored, key=lambda trial: trial["performance"]["composite_score"])
    assert found["best_parameters"] == best["parameters"]
    assert found["best_performance"] == best["performance"]
    for trial in scored:
        assert trial["performance"]["composite_score"] == pytest.approx(composite(trial["performance"]))


def test_convergence_is_that_of_the_history(found):
    history = found["optimization_history"]
    scores = [trial["performance"]["composite_score"] for trial in history]
    bests = list(accumulate((-np.inf if score is None else score for score in scores), max))
    first, final = next(best for best in bests if best > -np.inf), bests[-1]
    near = next(k for k, best in enumerate(bests, 1) if best >= final - 0.01 * (final - first))
    space = get_strategy("momentum").space()
    unit = space.to_unit(space.from_dicts([trial["parameters"] for trial in history]))
    cells = np.minimum((unit * 10).astype(int), 9)
    assert found["convergence_analysis"] == {
        "convergence_iteration": near,
        "final_improvement": pytest.approx(final - composite(found["defaults"]["in_sample"])),
        "exploration_ratio": pytest.approx(len(np.unique(cells, axis=0)) / len(history)),
    }


def test_the_winner_runs_again_to_the_same_numbers(found):
    bars = load_bars("nasdaq")
    data = found["data"]
    assert data["digest"] == bars.digest
    for part in ("in_sample", "held_out"):
        rules = Rules(costs=Costs(**found["costs"]), window=tuple(data[part]))
        parameters = found["best_parameters"]
        run = run_backtest(get_strategy("momentum"), parameters, bars, rules, engine="reference")
        expected = run.metrics | {"composite_score": composite(run.metrics)}
        assert found["best"][part] == pytest.approx(expected, rel=1e-9)
    assert data["held_out"] == [data["in_sample"][1], bars.n_bars]
    assert data["in_sample"][1] == pytest.approx(0.75 * bars.n_bars, abs=1)
    assert (found["reproduced"], found["stop_reason"]) == (True, "budget")
    assert found["reproduced_by"].startswith("reference simulator")
