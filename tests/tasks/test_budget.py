"""Budgets refuse what makes no sense."""

from __future__ import annotations

import math

import pytest

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import Budget


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("evaluations", 0),
        ("evaluations", -5),
        ("evaluations", 2.5),
        ("evaluations", True),
        ("evaluations", "many"),
        ("patience", 0),
        ("seconds", 0),
        ("seconds", -1.0),
        ("seconds", math.inf),
        ("seconds", math.nan),
        ("seconds", "10"),
        ("target", math.nan),
        ("target", "high"),
    ],
)
def test_bad_limits_are_named(name: str, value: object) -> None:
    with pytest.raises(TaskError, match=f"{name} is {value!r}"):
        Budget(**{name: value})  # type: ignore[arg-type]


def test_good_limits() -> None:
    budget = Budget(evaluations=10, seconds=0.5, target=-1.0, patience=3)
    assert (budget.evaluations, budget.seconds, budget.target, budget.patience) == (10, 0.5, -1.0, 3)
    assert Budget() == Budget(None, None, None, None)
