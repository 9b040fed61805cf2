"""One trial of an engine: what workers run, and what they send back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.engines import Engine, EngineRun
from strategy_optimizer.tasks.trial_cache import CachedTrial

FloatArray = NDArray[np.float64]
LONGEST_LIST = 120


@dataclass(frozen=True)
class TrialValue:
    """What a worker sends back of one run.

    Attributes
    ----------
    metrics : dict
    sums : array or None, shape (B, 3)
        Count, sum and sum of squares of the returns in B equal parts; None where the engine gives no returns. They
        are thousands of times smaller than the returns.
    returns : array or None, shape (n,)
        The returns themselves, where they were asked for.
    """

    metrics: Mapping[str, float]
    sums: FloatArray | None = None
    returns: FloatArray | None = None

    def row(self, names: tuple[str, ...]) -> FloatArray:
        """Return the metrics in the order of `names`, NaN for those that are missing."""
        return np.array([self.metrics.get(name, np.nan) for name in names])

    def lacks(self, names: tuple[str, ...]) -> str:
        """Return which metric is needed and was not given, as the reason of a failed trial; empty where none is.

        >>> TrialValue({"profit": 1.0}).lacks(("profit", "sharpe_ratio"))
        "gave no metric 'sharpe_ratio', only profit"
        """
        missing = next((name for name in names if name not in self.metrics), None)
        return "" if missing is None else f"gave no metric '{missing}', only {listed(self.metrics)}"

    def blocks(self, n_blocks: int) -> FloatArray:
        """Return the block sums, (B, 3); as `no_sums` where there are none."""
        return no_sums(n_blocks) if self.sums is None else self.sums

    def cached(self, seconds: float) -> CachedTrial:
        """Return what the cache keeps."""
        arrays = {} if self.sums is None else {"sums": self.sums}
        return CachedTrial(self.metrics, seconds, arrays)

    @classmethod
    def of_cached(cls, trial: CachedTrial) -> TrialValue:
        """Return what the cache kept."""
        return cls(dict(trial.metrics), trial.arrays.get("sums"))


@dataclass(frozen=True)
class FirstTry:
    """The parameters that are run once before the search, see `Engine.try_out`."""

    parameters: Mapping[str, Any]


def run_engine(engine: Engine, parameters: Mapping[str, Any] | FirstTry) -> EngineRun:
    """Return what an engine gives."""
    if isinstance(parameters, FirstTry):
        return engine.try_out(parameters.parameters)
    return engine.run(parameters)


class EngineTrial:
    """Runs an engine: the function that executors send to their workers.

    Parameters
    ----------
    engine : Engine
    n_blocks : int
        Parts of the block sums.
    keep_returns : bool
        Whether the returns are sent back too.
    """

    def __init__(self, engine: Engine, n_blocks: int, *, keep_returns: bool = False) -> None:
        self.engine = engine
        self.label = engine.label
        self.n_blocks = n_blocks
        self.keep_returns = keep_returns

    def __call__(self, parameters: Mapping[str, Any] | FirstTry) -> TrialValue:
        """Return the metrics and block sums of the parameters; raises what the engine raises."""
        run = run_engine(self.engine, parameters)
        if run.returns is None:
            return TrialValue(dict(run.metrics))
        returns = np.asarray(run.returns, np.float64)
        sums = block_sums(returns, self.n_blocks)
        return TrialValue(dict(run.metrics), sums, returns if self.keep_returns else None)


def listed(names: Iterable[str]) -> str:
    """Return names in a row, no more than a line of them.

    >>> listed([])
    'none'
    """
    row = ", ".join(names) or "none"
    return row if len(row) <= LONGEST_LIST else row[: LONGEST_LIST - 3] + "..."


def no_sums(n_blocks: int) -> FloatArray:
    """Return the block sums, (B, 3), of a trial without returns: no observations, sums that are not known."""
    sums = np.full((n_blocks, 3), np.nan)
    sums[:, 0] = 0.0
    return sums


class FoldTrial:
    """Runs one fold of an engine: the function that executors send to their workers when trials have folds.

    Parameters
    ----------
    folds : sequence of Engine
    """

    def __init__(self, folds: Sequence[Engine]) -> None:
        self.folds = tuple(folds)
        self.label = self.folds[0].label

    def __call__(self, argument: tuple[Mapping[str, Any] | FirstTry, int]) -> TrialValue:
        """Return the metrics of ``(parameters, fold)``."""
        parameters, fold = argument
        return TrialValue(dict(run_engine(self.folds[fold], parameters).metrics))


def block_sums(returns: FloatArray, n_blocks: int) -> FloatArray:
    """Return count, sum and sum of squares, (B, 3), of returns, (n,), in B parts as equal as can be.

    >>> block_sums(np.array([0.1, -0.1, 0.2]), 2).round(4).tolist()
    [[1.0, 0.1, 0.01], [2.0, 0.1, 0.05]]
    """
    edges = np.arange(n_blocks + 1) * len(returns) // n_blocks
    totals = np.zeros((len(returns) + 1, 2))
    np.cumsum(np.stack([returns, returns**2], axis=1), axis=0, out=totals[1:])
    return np.column_stack([np.diff(edges), np.diff(totals[edges], axis=0)])
