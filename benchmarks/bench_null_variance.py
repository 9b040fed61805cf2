"""How often the winner of a search on a market without an edge beats the best trial to expect, by kind of search.

    .venv/bin/python benchmarks/bench_null_variance.py > benchmarks/results/null_variance.md   # a quarter of an hour

Twelve years of daily bars without an edge and without costs (random walk, GARCH, regimes in turn), the first three
quarters searched. The deflated Sharpe ratio is that of `deflated_sharpe_2012`, above 95 % by definition in 5 of 100
searches whose trials do not depend on each other's outcome, such as a random search's. Its two variances:

* of the trials: the variance of the Sharpe ratios of the search's own trials, as the deflated Sharpe ratio is defined
* without skill: one minus the mean correlation of 512 evenly spread trials, over the number of returns
  (`null_sharpe_variance`); each trial of the search counted as 1, 10 or 100 of these

*Deviation*: the root of the variance, a year, in the mean over the markets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from bench_verdict import FREE, LOOKBACK, MARKETS, N_BARS
from machine import machine_line
from strategy_optimizer.market.synthetic import synthetic_market
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation.statistics import NotEnough, deflated_sharpe_2012
from strategy_optimizer.validation.validate import validate_search

FIRST_SEED = 9_500_000  # markets that no other benchmark uses
WORTHS = (1, 10, 100)
SURE = 0.95


class Kind(NamedTuple):
    """A kind of search and on how many markets it is made."""

    strategy: str
    optimizer: str
    trials: int
    markets: int = 300


KINDS = (
    Kind("momentum", "random", 1000),
    Kind("momentum", "ga", 200),
    Kind("momentum", "ga", 1000),
    Kind("momentum", "ga", 5000),
    Kind("momentum", "ga", 20_000, 100),
    Kind("momentum", "bo", 60, 100),
    Kind("ma_cross", "ga", 1000),
    Kind("rsi", "ga", 1000),
    Kind("bollinger", "ga", 1000),
    Kind("donchian", "ga", 1000),
)


def main() -> None:
    print("# The best trial to expect without skill", "", *__doc__.splitlines()[2:], "", sep="\n")
    print(f"Machine: {machine_line()}.\n")
    print(
        "| strategy | search | markets | deviation of the trials | without skill "
        "| above 95 %, by the trials' variance |",
        *(f" without skill, counted {worth} times |" for worth in WORTHS),
        sep="",
    )
    print("|---|---|---:|---:|---:|---:|" + "---:|" * len(WORTHS))
    for kind in KINDS:
        rows = np.array(list(_searches(kind)))
        deviations = [f"{value:.3f}" for value in rows[:, :2].mean(axis=0)]
        shares = [_share(column > SURE) for column in rows[:, 2:].T]
        name = f"{kind.strategy} | {kind.optimizer}, {kind.trials:,} trials"
        print("|", " | ".join([name, str(len(rows)), *deviations, *shares]), "|", flush=True)


def _searches(kind: Kind) -> Iterator[list[float]]:
    """Yield both deviations a year, and the deflated Sharpe ratios."""
    models = list(MARKETS.values())
    for seed in range(kind.markets):
        bars = synthetic_market(N_BARS, models[seed % 3], seed=FIRST_SEED + seed, lookback=LOOKBACK)
        task = make_task(
            kind.strategy, bars, kind.optimizer, evaluations=kind.trials, seed=seed, costs=FREE, workers=1
        )
        task.run()
        assert task.search is not None
        found: Any = validate_search(task.search, threads=1, most_trials=0).overfitting
        if isinstance(found.moments, NotEnough) or isinstance(found.trials_variance, NotEnough):
            continue
        year = found.periods_per_year**0.5
        yield [
            found.trials_variance**0.5 * year,
            found.null_variance**0.5 * year,
            found.deflated_sharpe_2012,
            *(
                deflated_sharpe_2012(
                    found.moments, n_trials=worth * found.distinct, trials_variance=found.null_variance
                )
                for worth in WORTHS
            ),
        ]


def _share(holds: np.ndarray) -> str:
    p = float(holds.mean())
    return f"{p:.1%} +- {(p * (1 - p) / len(holds)) ** 0.5:.1%}"


if __name__ == "__main__":
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    main()
