"""Where the held-out bars begin."""

from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer import Bars
from strategy_optimizer.errors import DataError, TaskError
from strategy_optimizer.tasks.division import divide


def bars(n: int) -> Bars:
    ones = np.ones(n)
    return Bars(ones, ones, ones, ones, ones, np.arange(n) * 10**9)


@pytest.mark.parametrize(
    ("n", "holdout", "expected"),
    [
        (100, 0.25, ((0, 75), (75, 100))),
        (100, 0, ((0, 100), None)),
        (10, 0.9, None),
        (20, 0.9, ((0, 2), (2, 20))),
        (4, 0.5, ((0, 2), (2, 4))),
        (7, 0.3, ((0, 5), (5, 7))),
        (3, 0.25, None),
        (1, 0.0, None),
    ],
)
def test_division(n: int, holdout: float, expected: object) -> None:
    if expected is None:
        with pytest.raises(DataError, match=f"{n} bars"):
            divide(bars(n), holdout)
    else:
        assert divide(bars(n), holdout) == expected


@pytest.mark.parametrize("holdout", [-0.1, 0.91, float("nan"), None, "x", True])
def test_bad_shares(holdout: object) -> None:
    with pytest.raises(TaskError, match="holdout is"):
        divide(bars(50), holdout)  # type: ignore[arg-type]
