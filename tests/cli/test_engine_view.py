"""What the command line says of a search on another engine."""

from __future__ import annotations

import os
import re

from strategy_optimizer import optimize
from strategy_optimizer.cli.engine_view import engine_heading


def on_fold(parameters: dict[str, float], fold: int) -> dict[str, float]:
    return {"score": 0.3 * fold - 4 * (parameters["x"] - 0.3 - 0.01 * fold) ** 2}


def test_a_worker_that_a_trial_took_with_it_is_still_one_of_two() -> None:
    def ends_its_worker(parameters: dict[str, int]) -> float:
        if parameters["n"] >= 8:
            os._exit(1)
        return float(parameters["n"])

    space = {"n": {"type": "discrete", "bounds": [0, 9], "default": 0}}
    settings = {"optimizer": "grid", "evaluations": 10, "workers": 2, "cache": False, "ledger": False}
    result = optimize(ends_its_worker, space=space, **settings)
    assert result.counts.failed == 2
    assert result.execution["workers"] == 2
    assert "processes, 2 workers, " in dict(engine_heading(result))["run by"]


def test_trials_that_were_stopped_and_the_time_that_saved_are_said() -> None:
    space = {"x": {"type": "continuous", "bounds": [0.0, 1.0]}}
    for prune in (True, False):
        settings = {"optimizer": "random", "evaluations": 60, "executor": "serial", "cache": False}
        result = optimize(on_fold, folds=6, space=space, prune=prune, **settings)
        run_by = dict(engine_heading(result))["run by"]
        said = re.search(
            r"(\d+) stopped early, which saved \d+% of the folds and \d+\.\d s of a worker", run_by
        )
        assert (int(said[1]) if said else 0) == result.counts.pruned
        assert bool(result.counts.pruned) is prune
