"""The Pareto front as callers see it: parameters with their raw scores, and ways to choose among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from strategy_optimizer.optimizer.checks import as_one_per_objective, signs_of
from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.optimizer.pareto import choice
from strategy_optimizer.optimizer.pareto.hypervolume import hypervolume


@dataclass(frozen=True, eq=False)
class ParetoFront:
    """Trials that no other trial beats, the best in the first objective first.

    Attributes
    ----------
    params : list of dict
        One dict of plain Python values per point.
    scores : ndarray
        (n, m) raw scores (the means of a repeated point), as they were told.
    rows : ndarray
        (n,) rows of the points in the optimizer's log, of the first trial when there are several.
    directions : tuple of str
        ``"maximize"`` or ``"minimize"`` for each objective.
    """

    params: list[dict[str, Any]]
    scores: FloatArray
    rows: IntArray
    directions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.params)

    @property
    def knee(self) -> int | None:
        """Index of the point where gaining more of one objective starts to cost most; None when empty."""
        return choice.knee_point(self._gains) if len(self) else None

    def closest_to(self, aspiration: ArrayLike) -> int | None:
        """Return the index of the point closest to wanted raw scores, (m,), or furthest beyond them."""
        wanted = self._as_gains(aspiration, "aspiration")
        return choice.closest_to(self._gains, wanted) if len(self) else None

    def hypervolume(self, reference: ArrayLike) -> float:
        """Return the exact hypervolume beyond the raw scores `reference`, (m,), for up to three objectives."""
        return hypervolume(self._gains, self._as_gains(reference, "reference"))

    def _as_gains(self, raw: ArrayLike, name: str) -> FloatArray:
        """Return a caller's raw scores, (m,), larger is better."""
        return as_one_per_objective(raw, name, len(self.directions)) * signs_of(self.directions)

    @property
    def _gains(self) -> FloatArray:
        """Scores, larger is better."""
        return self.scores * signs_of(self.directions)
