from __future__ import annotations

import numpy as np
import pytest

from contracts.optimizer import OptimizerContract
from strategy_optimizer.errors import OptimizerSettingError
from strategy_optimizer.optimizer import GridOptimizer
from strategy_optimizer.space import ParameterSpace


class TestGrid(OptimizerContract):
    name = "grid"


def plane() -> ParameterSpace:
    return (
        ParameterSpace("plane")
        .add_parameter("a", "discrete", (0, 31))
        .add_parameter("b", "continuous", (0.001, 1.0), log=True)
    )


def test_continuous_parameters_are_cut_evenly_on_their_scale() -> None:
    space = ParameterSpace("log").add_parameter("x", "continuous", (0.001, 1.0), log=True)
    values = sorted(params["x"] for params in GridOptimizer(space, resolution=4).ask(10))
    assert values == pytest.approx([0.001, 0.01, 0.1, 1.0])


def test_the_whole_grid_and_nothing_else_is_tried() -> None:
    optimizer = GridOptimizer(plane(), resolution=5)
    points = optimizer.ask_array(1000)
    assert len(points) == optimizer.size == 160
    assert len(np.unique(points, axis=0)) == 160
    assert optimizer.finished == "exhausted"


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_any_prefix_covers_the_space_evenly(batch: int) -> None:
    optimizer = GridOptimizer(plane(), resolution=32, budget=64, seed=3)
    points = np.concatenate([optimizer.ask_array(batch) for _ in range(-(-64 // batch))])[:64]
    unit = plane().to_unit(points)
    cells = np.floor(np.minimum(unit, 0.999) * 4).astype(int)
    counts = np.bincount(cells[:, 0] * 4 + cells[:, 1], minlength=16)
    assert counts.min() >= 2  # 64 points over 16 cells; a corner-first grid leaves most of them empty
    assert counts.max() <= 7


def test_the_resolution_follows_from_the_budget() -> None:
    assert GridOptimizer(plane(), budget=32 * 6 + 5).resolution == 6
    assert GridOptimizer(plane(), budget=1).resolution == 2
    assert GridOptimizer(ParameterSpace("d").add_parameter("a", "discrete", (0, 9))).resolution is None


def test_a_huge_grid_is_never_built() -> None:
    space = ParameterSpace("huge")
    for index in range(10):
        space.add_parameter(f"p{index}", "discrete", (0, 999))
    optimizer = GridOptimizer(space, budget=500)
    assert len(np.unique(optimizer.ask_array(500), axis=0)) == 500


def test_a_bad_resolution_is_refused() -> None:
    with pytest.raises(OptimizerSettingError, match="resolution"):
        GridOptimizer(plane(), resolution=1)


def test_the_finest_resolution_is_the_exact_root() -> None:
    cube = ParameterSpace("cube")
    for name in "abc":
        cube.add_parameter(name, "continuous", (0.0, 1.0))
    assert GridOptimizer(cube, budget=125).resolution == 5  # the root in floats is below 5
    assert GridOptimizer(cube, budget=10**6).resolution == 64


def test_the_walk_ends_where_it_meets_little_but_known_cells() -> None:
    optimizer = GridOptimizer(plane(), resolution=5)
    for _ in range(40):
        optimizer.ask(50)
    assert len(np.unique(optimizer._ledger.pending.export()[0])) == 160
    assert optimizer._walk.position <= 4 * 256 + 50
