"""Recommended parameters against the best in sample, on the bars that follow, window after window.

Each window is a search in the past; what its recommendation, its best trial, the default parameters and all of its
trials on average earned on the following bars is compared. Windows of one calendar year see the same markets, so the
error of a mean is that of sums over years.

    python benchmarks/bench_recommendation.py --goog GOOG.csv --eurusd EURUSD.csv
    python benchmarks/bench_recommendation.py --report

The two files are those of the package backtesting.py, whose licence keeps them out of here; without them the two
samples alone are used.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from machine import machine_line
from strategy_optimizer import Bars, Costs, load_bars
from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import FinishedSearch, OptimizationTask, bind_evaluator, make_task
from strategy_optimizer.validation.recommendation import recommend
from strategy_optimizer.validation.walkforward.choices import window_task
from strategy_optimizer.validation.walkforward.lengths import plan_windows
from strategy_optimizer.validation.walkforward.walk import read_lengths

RESULTS = Path(__file__).with_name("results")
STRATEGIES = ("momentum", "ma_cross", "rsi", "bollinger", "donchian")
# data: training and test length, costs
DATA = {
    "sp500": ("3y", "1y", Costs(commission=0.0005, slippage=0.0002)),
    "nasdaq": ("3y", "1y", Costs(commission=0.0005, slippage=0.0002)),
    "GOOG": ("3y", "6m", Costs(commission=0.0005, slippage=0.0002)),
    "EURUSD": ("1000", "350", Costs(commission=0.00002, slippage=0.00002)),
}
CHOICES = ("recommended", "best", "defaults", "all trials")
SHARPE = METRICS.index("sharpe_ratio")


def main() -> None:
    """Run the windows or report on them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--goog", type=Path)
    parser.add_argument("--eurusd", type=Path)
    parser.add_argument("--optimizer", default="auto")
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3, help="searches of each window")
    parser.add_argument("--out", type=Path, default=RESULTS / "recommendation.jsonl")
    parser.add_argument("--report", action="store_true", help="only write the report on the rows of --out")
    options = parser.parse_args()
    if not options.report:
        sources = {"sp500": "sp500", "nasdaq": "nasdaq", "GOOG": options.goog, "EURUSD": options.eurusd}
        with options.out.open("w") as file:
            for seed in range(options.seeds):
                for name, source in sources.items():
                    if source is not None:
                        search = (options.optimizer, options.evaluations, seed)
                        for row in windows(name, load_bars(source), *search):
                            file.write(json.dumps(row) + "\n")
                            file.flush()
    rows = [json.loads(line) for line in options.out.read_text().splitlines()]
    text = report(rows, options.optimizer, options.evaluations)
    options.out.with_suffix(".md").write_text(text)
    print(text)


def windows(
    name: str, bars: Bars, optimizer: str, evaluations: int, seed: int
) -> Iterator[dict[str, object]]:
    """Yield what each choice earned after each window of all strategies."""
    train, test, costs = DATA[name]
    lengths = read_lengths(bars, train=train, test=test, step=None, purge="0", anchored=False)
    settings = {"trial_seconds": 1e-5} if optimizer == "auto" else {}
    for strategy in STRATEGIES:
        task = make_task(
            strategy,
            bars,
            optimizer,
            holdout=0.0,
            evaluations=evaluations,
            costs=costs,
            seed=seed,
            workers=1,
            **settings,
        )
        for window in plan_windows(bars.n_bars, lengths):
            search = _searched(window_task(task, bars, window.train))
            if search is None:
                continue
            day = str(np.datetime64(int(bars.timestamp[window.test.start]), "ns"))[:10]
            years = len(window.test) / bars.periods_per_year
            row = {"data": name, "strategy": strategy, "test": day, "years": round(years, 4), "seed": seed}
            yield row | _earned(search, bars, window.test)
        print(name, strategy, flush=True)


def _searched(task: OptimizationTask) -> FinishedSearch | None:
    try:
        task.run()
    except TaskError:  # no trial was valid
        return None
    return task.search


def _earned(search: FinishedSearch, bars: Bars, test: range) -> dict[str, float]:
    """Return the annual Sharpe ratio of each choice on the test bars; 0 without a trade."""
    found = recommend(search, threads=1)
    points = search.space.from_dicts([found.parameters, found.best.parameters])
    defaults = search.space.default_values[None, :]
    points = np.concatenate([points, search.space.deactivate(defaults), search.history.points])
    rules = replace(search.rules, window=(test.start, test.stop), n_blocks=1)
    engine = PopulationEvaluator(search.bound_strategy, bars.slice(0, test.stop), rules, threads=1)
    evaluate = bind_evaluator(engine, search.bound_strategy.space(), search.space).evaluate
    sharpes = np.nan_to_num(evaluate(points).values[:, SHARPE], nan=0.0, posinf=0.0, neginf=0.0)
    values = [*sharpes[:3].tolist(), float(sharpes[3:].mean())]
    return dict(zip(CHOICES, (round(value, 6) for value in values), strict=True))


# -- the report --------------------------------------------------------------------------------------------------


def report(rows: list[dict[str, object]], optimizer: str, evaluations: int) -> str:
    """Return the tables."""
    n_seeds = len({row["seed"] for row in rows})
    rows = mean_over_seeds(rows)
    lines = [
        "# Recommended parameters against the best in sample",
        "",
        "    .venv/bin/python benchmarks/bench_recommendation.py --goog GOOG.csv --eurusd EURUSD.csv",
        "",
        f"{len(rows)} windows, {n_seeds} searches of each by `{optimizer}` with {evaluations:,} trials, whose",
        f"Sharpe ratios are averaged; {machine_line()}.",
        "",
        "Mean annual Sharpe ratio on the bars that follow, and the difference from the best in sample with its error",
        "(clustered by calendar year) and its t-statistic. Windows are of different length: the second table weighs",
        "each with the root of its years, so that a month of hourly bars does not count like a year.",
        "",
        *_table(rows, lambda row: 1.0),
        "",
        *_table(rows, lambda row: min(1.0, float(row["years"])) ** 0.5),  # type: ignore[arg-type]
        "",
        "Recommended minus best, by data and by strategy (mean, share of windows better / worse):",
        "",
        *_by(rows, "data"),
        *_by(rows, "strategy"),
        "",
        "Quantiles of that difference: " + _quantiles(rows),
    ]
    return "\n".join(lines) + "\n"


def mean_over_seeds(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return one row a window: the mean of its searches."""
    by_window: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        by_window.setdefault((row["data"], row["strategy"], row["test"]), []).append(row)
    return [
        group[0] | {name: float(np.mean([row[name] for row in group])) for name in CHOICES}  # type: ignore[misc]
        for group in by_window.values()
    ]


def _table(rows: list[dict[str, object]], weight) -> list[str]:  # type: ignore[no-untyped-def]
    weights = np.array([weight(row) for row in rows])
    values = {name: np.array([row[name] for row in rows], np.float64) * weights for name in CHOICES}
    lines = ["| choice | mean | against the best | error | t |", "|---|---:|---:|---:|---:|"]
    years = np.array([str(row["test"])[:4] for row in rows])
    for name in CHOICES:
        difference = values[name] - values["best"]
        error = clustered_error(difference, years)
        t = f"{difference.mean() / error:+.2f}" if error > 0.0 else ""
        lines.append(f"| {name} | {values[name].mean():.3f} | {difference.mean():+.3f} | {error:.3f} | {t} |")
    return lines


def clustered_error(values: np.ndarray, clusters: np.ndarray) -> float:
    """Return the standard error of a mean whose values depend on each other within clusters."""
    centred = values - values.mean()
    sums = np.array([centred[clusters == name].sum() for name in np.unique(clusters)])
    k = len(sums)
    return float(np.sqrt(k / (k - 1.0) * (sums**2).sum()) / len(values))


def _by(rows: list[dict[str, object]], key: str) -> list[str]:
    lines = []
    for name in dict.fromkeys(row[key] for row in rows):
        d = _difference([row for row in rows if row[key] == name])
        lines.append(f"- {name}: {d.mean():+.3f}, {np.mean(d > 0):.0%} / {np.mean(d < 0):.0%} of {len(d)}")
    return lines


def _difference(rows: list[dict[str, object]]) -> np.ndarray:
    return np.array([row["recommended"] - row["best"] for row in rows])  # type: ignore[operator]


def _quantiles(rows: list[dict[str, object]]) -> str:
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    values = np.quantile(_difference(rows), levels)
    return ", ".join(f"{level:.0%} {value:+.2f}" for level, value in zip(levels, values, strict=True))


if __name__ == "__main__":
    main()
