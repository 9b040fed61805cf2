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

from strategy_optimizer.space import ParameterSpace


@dataclass(frozen=True)
class EngineRun:
    """One backtest of an engine.

    Attributes
    ----------
    metrics : dict
        Metric name to number. Names of `METRICS` are used only for metrics of the same definition (fractions,
        drawdown positive); others keep the engine's name.
    returns : array or None, shape (bars,)
        Simple returns of the equity from bar to bar, where the engine knows them. Validation needs them.
    """

    metrics: Mapping[str, float]
    returns: NDArray[np.float64] | None = None


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

    def check(self) -> None:  # noqa: B027  # an engine that needs nothing has nothing to check
        """Find out before the first trial whether the engine can run at all.

        Raises
        ------
        EngineError
            Not installed (names the extra), a version that is not supported, an address that does not answer.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a text that changes whenever code, data, costs or version do: what a cached trial depends on."""

    def space(self) -> ParameterSpace | None:
        """Return the space that the strategy declares; None where it declares none."""
        return None

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Return the engine on the bars to search, and on the last share `holdout` of them.

        An engine that cannot cut its data returns itself and None.
        """
        return self, None

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that make the numbers."""
        return {}
