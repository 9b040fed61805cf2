"""The walk-forward of a report: the same search again and again, on the bars that were searched alone."""

from __future__ import annotations

import shlex
from typing import Any

from strategy_optimizer.backtest import Costs
from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.report.decimation import kept_rows
from strategy_optimizer.report.equity import DAY, rounded
from strategy_optimizer.report.material import Material, objective_of, trial_seconds
from strategy_optimizer.strategies import list_strategies
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation import WalkForward, walk_forward
from strategy_optimizer.validation.walkforward import WindowsProgress
from strategy_optimizer.validation.walkforward.recording import LEFT_OUT

WINDOWS = 6
TRAIN_TESTS = 3  # a training window is as long as so many tests
MOST_TRIALS = 500  # of each window
AFFORDED = 20.0  # seconds
LEAST_TEST = 20  # bars
MEASURED = ("trial_seconds", "parallel")  # settings that a search finds itself


def walk_forward_data(result: Result, material: Material, *, progress: Any = None) -> dict[str, Any]:
    """Return the walk-forward over the searched bars, or why there is none, and the command that makes it."""
    n = material.in_sample[1] - material.in_sample[0]
    test = n // (WINDOWS + TRAIN_TESTS)
    train, trials = n - WINDOWS * test, min(MOST_TRIALS, max(1, result.counts.trials))
    command = {"command": command_for(result, train, test, trials), "to_add": left_to_add(result, material)}
    expected = expected_seconds(result, trials)
    if test < LEAST_TEST:
        return {
            "lacking": f"the {n:,} bars that were searched are too few for {WINDOWS} windows",
            "command": None,
        }
    if expected > AFFORDED:
        why = f"{WINDOWS} windows of {trials:,} trials would take about {expected:,.0f} s"
        return {"lacking": why, **command}
    try:
        found = _run(result, material, train, test, trials, progress)
    except StrategyOptimizerError as error:
        return {"lacking": f"the walk-forward cannot be made: {error}", **command}
    return {"lacking": None, **command, "evaluations": trials, **_plain(found, material)}


def expected_seconds(result: Result, trials: int) -> float:
    """Return what the windows would take, a trial costing what it did in the search on all bars."""
    return WINDOWS * trials * trial_seconds(result)


def command_for(result: Result, train: int, test: int, trials: int) -> str:
    """Return the command line of the same walk-forward; `left_to_add` says what it cannot know."""
    parts = ["strategy-optimizer", "walk-forward", result.strategy_name, "--data", result.data.name]
    parts += [
        "--from",
        result.data.first,
        "--to",
        result.data.in_sample_dates[1],
        "--train",
        str(train),
        "--test",
        str(test),
    ]
    parts += ["-n", str(trials), "--optimizer", str(result.optimizer["name"]), "--seed", str(result.seed)]
    parts += ["-o", ",".join(_weights(result))]
    for text in result.objective.get("constraints", ()):
        parts += ["-r", str(text)]
    for name, value in result.costs.items():
        parts += [f"--{name.replace('_', '-')}", f"{value:g}"]
    parts += ["--fill", str(result.rules["fill"]), "--cash", f"{result.rules['cash']:.12g}"]
    return shlex.join(parts)


def left_to_add(result: Result, material: Material) -> list[str]:
    """Return what the command line needs beside what a result knows."""
    own_space = result.history.space.digest == material.strategy.space().digest
    missing = {
        "the strategy's file or module in the place of its name": result.strategy_name
        not in list_strategies(),
        "the files of the data in the place of their name": result.data.name not in SAMPLES,
        "the --space, --constraint and --param of the search": not own_space,
        "the --setting of the search": bool(_own_settings(result)),
    }
    return [text for text, holds in missing.items() if holds]


def _own_settings(result: Result) -> dict[str, Any]:
    """Return the settings of the optimizer that were asked for; the others are measured anew."""
    settings = result.optimizer.get("settings", {})
    return {name: value for name, value in settings.items() if value is not None and name not in MEASURED}


def _weights(result: Result) -> list[str]:
    """Return the objective as the option takes it."""
    if result.pareto_front:
        return list(result.pareto_front[0].objectives)
    weights = result.objective["weights"]
    return list(weights) if len(weights) == 1 else [f"{name}:{weight:g}" for name, weight in weights.items()]


def _run(
    result: Result, material: Material, train: int, test: int, trials: int, progress: Any
) -> WalkForward:
    start, stop = material.in_sample
    rules = material.rules
    return walk_forward(
        material.strategy,
        material.bars.slice(start, stop),
        str(result.optimizer["name"]),
        train=train,
        test=test,
        seed=result.seed,
        evaluations=trials,
        objective=objective_of(result),
        space=result.history.space,
        costs=Costs(**result.costs),
        fill=rules.fill,
        cash=rules.cash,
        reentry=rules.reentry,
        ledger=False,  # a report of a search must not weigh on the same search made again
        progress=progress,
        **_own_settings(result),
    )


def windows_text(event: WindowsProgress) -> str:
    """Return how far a walk-forward is."""
    return f"walk-forward, {event.done:,} of {event.windows:,} windows"


def _plain(found: WalkForward, material: Material) -> dict[str, Any]:
    start = material.in_sample[0]
    bars = [start + bar for window in found.windows for bar in window.stitched]
    days = material.bars.timestamp[bars] / DAY
    records = {"chosen": found.out_of_sample, "defaults": found.defaults, "buy-and-hold": found.buy_and_hold}
    lines = []
    for name, record in records.items():
        if record is not None:
            growth = record.equity / material.rules.cash
            rows = kept_rows(growth)
            lines.append({"name": name, "x": days[rows].round(5).tolist(), "y": rounded(growth[rows])})
    return {
        "dates": list(found.dates),
        "train": found.lengths.train,
        "test": found.lengths.test,
        "lines": lines,
        "starts": [float(material.bars.timestamp[start + w.test.start] / DAY) for w in found.windows],
        "windows": [
            {
                "number": w.number,
                "test_dates": list(w.test_dates),
                "parameters": w.parameters,
                "reason": w.reason,
                "in_sample": rounded((w.in_sample or {}).get("sharpe_ratio")),
                "out_of_sample": rounded(w.out_of_sample["sharpe_ratio"]),
                "total_return": rounded(w.out_of_sample["total_return"]),
            }
            for w in found.windows
        ],
        "metrics": {name: rounded(record.metrics) for name, record in records.items() if record is not None},
        "psr": rounded(found.out_of_sample.psr_2012),
        "efficiency": rounded(found.efficiency),
        "share_gaining": rounded(found.share_gaining),
        "stability": [{"name": each.name, "spread": rounded(each.spread)} for each in found.stability],
        "notes": [note for note in found.notes if note != LEFT_OUT],  # that the page says itself
    }
