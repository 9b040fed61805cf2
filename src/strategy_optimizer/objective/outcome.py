"""Outcome constraints: what a backtest's metrics must satisfy for its candidate to win."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import ObjectiveError
from strategy_optimizer.objective.directions import check_metric

FloatArray = NDArray[np.float64]
_FORM = re.compile(r"\s*([a-zA-Z_]\w*)\s*(>=|<=|==|!=|=|>|<)\s*(\S+)\s*", re.ASCII)
_EXPECTED = "expected a metric, >= or <=, and a number, such as 'trades >= 30' or 'max_drawdown <= 0.25'"


@dataclass(frozen=True)
class OutcomeConstraint:
    """A metric on one side, a number on the other.

    Parameters
    ----------
    metric : str
        One that the engine gives: of our own engine one of `METRICS`.
    relation : {">=", "<="}
    bound : float
        In the metric's own units: fractions, not percent; drawdown positive.

    Examples
    --------
    >>> OutcomeConstraint.parse("trades >= 30").margin(np.array([45.0, 15.0]))
    array([ 0.5, -0.5])
    """

    metric: str
    relation: str
    bound: float

    def __post_init__(self) -> None:
        if self.relation not in (">=", "<="):
            raise ObjectiveError(f"the relation {self.relation!r} is not known; {_EXPECTED}")
        object.__setattr__(self, "bound", float(self.bound))
        if not math.isfinite(self.bound):
            raise ObjectiveError(f"the bound of {self.metric} is {self.bound!r}; {_EXPECTED}")

    @classmethod
    def parse(cls, text: str) -> OutcomeConstraint:
        """Return the constraint that `text` states, or raise an `ObjectiveError`; the objective checks the name."""
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ObjectiveError(f"the outcome constraint {text!r} cannot be read; {_EXPECTED}")
        metric, relation, number = match.groups()
        if relation not in (">=", "<="):
            raise ObjectiveError(f"the outcome constraint {text!r} uses '{relation}'; {_EXPECTED}")
        return cls(metric, relation, _number(number, text))

    def margin(self, values: FloatArray) -> FloatArray:
        """Return how far the metric's values are inside, in units of the bound; feasible where >= 0.

        Dividing by the bound (by 1 where that is about 0) makes different constraints comparable. NaN stays
        NaN, which is not feasible.
        """
        scale = abs(self.bound) if abs(self.bound) > 1e-6 else 1.0
        inside = values - self.bound if self.relation == ">=" else self.bound - values
        return inside / scale

    def __str__(self) -> str:
        bound = int(self.bound) if self.bound.is_integer() else self.bound
        return f"{self.metric} {self.relation} {bound!r}"


def parse_constraints(
    texts: Iterable[str | OutcomeConstraint], names: Sequence[str] = METRICS
) -> tuple[OutcomeConstraint, ...]:
    """Return outcome constraints on metrics of these names; a single text instead of a list is refused."""
    if isinstance(texts, str):
        raise ObjectiveError(
            f"the outcome constraints are the text {texts!r}; expected a list, such as [{texts!r}]"
        )
    parsed = tuple(t if isinstance(t, OutcomeConstraint) else OutcomeConstraint.parse(t) for t in texts)
    for constraint in parsed:
        check_metric(constraint.metric, names)
    return parsed


def _number(text: str, constraint: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or "_" in text:
        hint = " (fractions, not percent: 25 % is 0.25)" if text.endswith("%") else ""
        raise ObjectiveError(
            f"the outcome constraint {constraint!r} compares with '{text}', which is not a number{hint}"
        )
    return number
