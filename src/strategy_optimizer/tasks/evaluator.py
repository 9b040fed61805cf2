"""What the loop needs of an engine: points in, a table of metrics out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.result import MetricsTable


class Evaluator(Protocol):
    """Evaluates a population; `PopulationEvaluator` is one."""

    def evaluate(self, points: NDArray[np.float64], /) -> MetricsTable:
        """Return the metrics of `points`, (n, d) in natural units, in their order.

        A candidate that cannot be evaluated is a row of NaN with an entry in ``errors``, never an
        exception. The result for a point must not depend on the other points.
        """
