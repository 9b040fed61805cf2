"""What an engine is: something that turns parameters into metrics, ours or not.

An engine is sent to worker processes and runs there, so it must be picklable: it holds data and names, and imports
its package when it runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.engines.checks import checked_metrics, checked_returns
from strategy_optimizer.space import ParameterSpace


@dataclass(frozen=True)
class EngineRun:
    """One backtest of an engine, checked: whatever an engine made of it, the numbers are numbers.

    Attributes
    ----------
    metrics : dict of str to float
        Names of `METRICS` are used only for metrics of the same definition (fractions, drawdown positive); others
        keep the engine's name. NaN and infinity are allowed, as in `METRICS`: they fail the trial only where the
        objective asks for them.
    returns : array or None, shape (n,)
        Simple returns of the equity from bar to bar, where the engine knows them: one less than the bars, as many for
        each candidate. Validation needs them.

    Raises
    ------
    EngineError
        When something is no number, or a metric of ours has a value that its definition excludes.

    Examples
    --------
    >>> EngineRun({"sharpe_ratio": np.float32(1.5), "trades": 12}).metrics
    {'sharpe_ratio': 1.5, 'trades': 12.0}
    >>> EngineRun({"max_drawdown": -0.25})
    Traceback (most recent call last):
        ...
    strategy_optimizer.errors.EngineError: the metric 'max_drawdown' is -0.25; expected at least 0, as for a fall \
of a quarter 0.25 (use another name where it means something else)
    """

    metrics: Mapping[str, float]
    returns: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", checked_metrics(self.metrics))
        object.__setattr__(self, "returns", checked_returns(self.returns))


class Engine(ABC):
    """Runs backtests of one strategy on one set of data.

    Attributes
    ----------
    label : str
        Names the engine and what it runs, for people: ``"backtesting.py: SmaCross"``.
    """

    label: str

    @abstractmethod
    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Backtest the parameters, in a worker; whatever it raises makes the trial fail with that reason."""

    def try_out(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Backtest the parameters tried first, before the search: as `run`, but a user waits for it."""
        return self.run(parameters)

    def longest_try(self) -> float | None:
        """Return the seconds after which `try_out` gives up by itself; None where it does not."""
        return None

    def check(self) -> None:  # noqa: B027 - an engine may have nothing to find out
        """Find out before the first trial whether the engine can run at all.

        Raises
        ------
        EngineError
            Not installed (names the extra), a version that is not supported, an address that does not answer.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a text that changes whenever code, data, costs or version do: what a cached trial depends on."""

    def data_digest(self) -> str | None:
        """Return a text that is the same for the same data only, whatever runs on them; None where that is not known.

        By it the trial ledger knows searches with other code on the same data. It asks the engine before that is
        divided; one that cannot say it is known by its `digest`, code and data together.
        """
        return None

    def space(self) -> ParameterSpace | None:
        """Return the space that the strategy declares; None where it declares none.

        Ask only when the user gave no space.

        Raises
        ------
        EngineError
            When the strategy has parameters but nothing says between which values they may lie.
        """
        return None

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Return the engine on the bars to search, and on the last share `holdout` of them.

        An engine that cannot cut its data returns itself and None, and so does any engine for a `holdout` of 0.
        """
        return self, None

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that make the numbers."""
        return {}
