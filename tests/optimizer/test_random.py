from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from contracts.optimizer import OptimizerContract
from strategy_optimizer.errors import OptimizerSettingError
from strategy_optimizer.optimizer import RandomOptimizer
from strategy_optimizer.space import ParameterSpace


class TestRandom(OptimizerContract):
    name = "random"


class TestSobol(OptimizerContract):
    name = "random"
    settings: ClassVar[dict[str, Any]] = {"method": "sobol"}


def square() -> ParameterSpace:
    return (
        ParameterSpace("square")
        .add_parameter("x", "continuous", (0.0, 1.0))
        .add_parameter("y", "continuous", (0.0, 1.0))
    )


def empty_cells(method: str, seed: int, batch: int) -> int:
    optimizer = RandomOptimizer(square(), method=method, seed=seed, budget=256)
    points = np.concatenate([optimizer.ask_array(batch) for _ in range(256 // batch)])
    cells = np.floor(points * 16).astype(int)
    return 256 - len(np.unique(cells[:, 0] * 16 + cells[:, 1]))


@pytest.mark.parametrize("batch", [1, 16, 256])
def test_sobol_points_are_spread_more_evenly_than_independent_ones(batch: int) -> None:
    sobol = max(empty_cells("sobol", seed, batch) for seed in range(3))
    uniform = min(empty_cells("uniform", seed, batch) for seed in range(3))
    assert sobol < 40 < 70 < uniform  # independent points leave 256 / e = 94 empty


def test_the_sequence_goes_on_beyond_the_budget() -> None:
    optimizer = RandomOptimizer(square(), method="sobol", budget=64)
    assert len(np.unique(optimizer.ask_array(200), axis=0)) == 200


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(OptimizerSettingError, match="did you mean 'sobol'"):
        RandomOptimizer(square(), method="sobel")
