"""Do predicted intervals hold what they promise? And how long an analysis takes.

    .venv/bin/python benchmarks/bench_prediction.py [--output benchmarks/results/prediction.md]

Each history is a search on the in-sample bars of a sample market. Three times 30 % of its trials are held out by
chance. Models of the others predict them, and 1,000 parameters drawn evenly from the space, which are then backtested:
what someone may type, whether or not the search looked there. The share of measured values inside the 50 % and the 90 %
interval stands in the table. "Width" is the mean width of the 90 % interval over the range that holds 90 % of the
measured values.

The insight "... never helped" is tried on 40 searches: 1,000 parameters in each range that it names are backtested.

The time is of one core, in a fresh process each: everything in `analyse`, and reading its file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from machine import machine_line, peak_megabytes, versions

RESULTS = Path(__file__).parent / "results" / "prediction.md"
HISTORIES = (
    ("momentum", "nasdaq", "ga", 2000),
    ("momentum", "sp500", "auto", 300),
    ("momentum", "nasdaq", "random", 500),
    ("ma_cross", "sp500", "random", 1000),
    ("ma_cross", "nasdaq", "ga", 1000),
    ("rsi", "nasdaq", "auto", 600),
    ("rsi", "sp500", "ga", 1500),
    ("donchian", "sp500", "ga", 800),
    ("donchian", "nasdaq", "random", 1000),
)
METRICS_SHOWN = ("sharpe_ratio", "total_return", "max_drawdown", "trades")
HELD_OUT, SPLITS, FRESH = 0.3, 3, 1000
TIMED = (2_000, 20_000)
NEVER = [
    (strategy, data, optimizer, n, seed)
    for strategy in ("momentum", "ma_cross", "rsi", "donchian", "bollinger")
    for data in ("nasdaq", "sp500")
    for optimizer, n in (("ga", 1000), ("auto", 400))
    for seed in range(2)
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--time", type=Path, help="measure the analysis of one result in this process")
    arguments = parser.parse_args()
    if arguments.time:
        _measure_time(arguments.time)
        return
    text = "\n".join(_lines()) + "\n"
    print(text)
    arguments.output.write_text(text)


def _lines() -> list[str]:
    lines = ["# Predictions", "", machine_line(), versions(["numpy", "scipy", "numba"]), ""]
    lines += [
        "| history | metric | explained | held out: 50 % | 90 % | width | anywhere: 50 % | 90 % | width |"
    ]
    lines += ["|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    everything = []
    for history in HISTORIES:
        for metric, explained, cells in _covered(*history):
            everything.append(cells)
            row = " | ".join(f"{cell:.2f}" if i % 3 == 2 else f"{cell:.1%}" for i, cell in enumerate(cells))
            lines.append(f"| {', '.join(map(str, history))} | {metric} | {explained:.2f} | {row} |")
    mean = np.mean(everything, axis=0)
    cells = " | ".join(f"{cell:.2f}" if i % 3 == 2 else f"{cell:.1%}" for i, cell in enumerate(mean))
    lines.append(f"| **mean of {len(everything)}** | | | {cells} |")
    inside = np.array(everything)
    lines += ["", f"90 % intervals that hold 85 to 95 %: {_within(inside[:, 1])} of {len(inside)} held out, "]
    lines[-1] += f"{_within(inside[:, 4])} of {len(inside)} anywhere."
    lines += ["", _never_helped()]
    lines += [
        "",
        "| trials | seconds to read | seconds to analyse | peak memory, MB |",
        "|---:|---:|---:|---:|",
    ]
    return [*lines, *_times()]


def _within(shares: np.ndarray) -> int:
    return int(np.sum((shares >= 0.85) & (shares <= 0.95)))


class Measured:
    """A search, and a function that backtests other points on its bars."""

    def __init__(self, strategy: str, data: str, optimizer: str, n: int, seed: int = 1) -> None:
        from strategy_optimizer.backtest import PopulationEvaluator
        from strategy_optimizer.tasks import bind_evaluator, make_task

        task = make_task(strategy, data, optimizer, evaluations=n, seed=seed, validate=False)
        self.history = task.run().history
        search = task.search
        assert search is not None
        engine = PopulationEvaluator(search.bound_strategy, search.bars, search.rules)
        self._engine = bind_evaluator(engine, search.bound_strategy.space(), self.history.space)

    def metric(self, points: np.ndarray, name: str) -> np.ndarray:
        """Return a metric (n,) of points, NaN where there is no trade."""
        from strategy_optimizer.backtest import METRICS

        values = self._engine.evaluate(points).values
        traded = values[:, METRICS.index("trades")] > 0.0
        return np.where(traded, values[:, METRICS.index(name)], np.nan)


def _covered(strategy: str, data: str, optimizer: str, n: int) -> list[tuple[str, float, list[float]]]:
    search = Measured(strategy, data, optimizer, n)
    history = search.history
    fresh = history.space.sample(FRESH, np.random.default_rng(9))
    found = []
    for metric in METRICS_SHOWN:
        truth = search.metric(fresh, metric)
        rows = [_split(history, metric, fresh, truth, seed) for seed in range(SPLITS)]
        found.append(
            (
                metric,
                float(np.mean([row[0] for row in rows])),
                np.mean([row[1] for row in rows], axis=0).tolist(),
            )
        )
    return found


def _split(
    history, metric: str, fresh: np.ndarray, truth: np.ndarray, seed: int
) -> tuple[float, list[float]]:
    """Return what a model of 70 % of the trials explains, and its shares and widths, held out and anywhere."""
    from strategy_optimizer.analysis.prediction import calibrated
    from strategy_optimizer.analysis.target import Target, target_of

    whole = target_of(history, metric)
    held = np.random.default_rng(seed).random(len(whole.values)) < HELD_OUT
    target = Target(
        metric, whole.minimized, whole.space, whole.points[~held], whole.values[~held], whole.feasible[~held]
    )
    model = calibrated(target.surrogate, target)
    known = held & np.isfinite(whole.values)
    usable = np.isfinite(truth)
    cells = _shares(model.predict(whole.points[known], target), whole.values[known])
    return model.explained, cells + _shares(model.predict(fresh[usable], target), truth[usable])


def _shares(predictions: list, values: np.ndarray) -> list[float]:
    inside = [
        np.mean([low <= v <= high for (low, high), v in zip(ends, values, strict=True)])
        for ends in ([p.half for p in predictions], [p.most for p in predictions])
    ]
    width = np.mean([p.most[1] - p.most[0] for p in predictions]) / np.ptp(np.quantile(values, (0.05, 0.95)))
    return [*map(float, inside), float(width)]


def _never_helped() -> str:
    """Return how often a range that never helped among the trials has nothing better, or good, to offer."""
    from strategy_optimizer.analysis import analyse_importance, find_insights, target_of
    from strategy_optimizer.analysis.insights import good_level
    from strategy_optimizer.analysis.regions import regions_of

    said = better = good = 0
    for each in NEVER:
        search = Measured(*each)
        target = target_of(search.history)
        space = target.space
        regions = {
            (region.name, *region.numbers.items()): region
            for j in range(space.n_dims)
            for region in regions_of(space, j)
        }
        for insight in find_insights(target, analyse_importance(target)):
            if insight.kind != "never_helped":
                continue
            where = tuple(item for item in insight.numbers.items() if item[0] in ("side", "bound", "choice"))
            points = regions[(insight.parameter, *where)].sample(space, FRESH, np.random.default_rng(3))
            best = float(np.nanmax(search.metric(points, "sharpe_ratio")))
            said += 1
            better += best > target.gains[target.known].max()
            good += best >= good_level(target.model, target)
    return (
        f'"Never helped" was said {said} times of {len(NEVER)} searches. Of {FRESH:,} fresh ones in each range one '
        f"was better than the best trial in {better}, and one was good (within a fifth of the way from the best to the "
        f"middle of the space) in {good}."
    )


def _times() -> list[str]:
    from strategy_optimizer import optimize

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in TIMED:
            result = optimize("momentum", "nasdaq", "ga", evaluations=n, seed=1, validate=False)
            path = Path(folder) / f"{n}.json"
            path.write_text(result.to_json())
            result.export(path.with_suffix(".parquet"))
            done = subprocess.run(
                [sys.executable, __file__, "--time", str(path)], check=True, capture_output=True, text=True
            )
            rows.append(f"| {n:,} | {done.stdout.strip()} |")
    return rows


def _measure_time(path: Path) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from strategy_optimizer.analysis import analyse
    from strategy_optimizer.models import read_result

    begin = time.perf_counter()
    result = read_result(path, path.with_suffix(".parquet") if int(path.stem) > 10_000 else None)
    read, used = time.perf_counter(), time.process_time()
    analyse(result, [{**result.default_parameters, "lookback_period": 60}])
    taken, used = time.perf_counter() - read, time.process_time() - used
    print(f"{read - begin:.1f} | {taken:.1f} | {used:.1f} | {peak_megabytes():.0f}")


if __name__ == "__main__":
    main()
