from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.optimizer.lattice import Lattice, Sweep
from strategy_optimizer.space import ParameterSpace


def space() -> ParameterSpace:
    return (
        ParameterSpace("three")
        .add_parameter("a", "discrete", (2, 10), step=2)
        .add_parameter("b", "continuous", (0.1, 0.4), step=0.1)
        .add_parameter("c", "categorical", ["x", "y", "z"])
    )


def test_the_numbers_of_a_lattice_are_all_its_points() -> None:
    lattice = Lattice(space())
    points = lattice.points(np.arange(lattice.size))
    everything = space().enumerate(1000)
    assert everything is not None
    assert lattice.size == len(everything) == 60
    assert set(space().keys(points).tolist()) == set(space().keys(everything).tolist())


@pytest.mark.parametrize("repeats", [1, 2])
def test_a_sweep_meets_every_point_as_often_as_it_may(repeats: int) -> None:
    sweep = Sweep(space(), repeats)
    chunks = []
    while (chunk := sweep.next(7)) is not None:
        chunks.append(chunk)
    _, counts = np.unique(np.concatenate(chunks), axis=0, return_counts=True)
    assert counts.tolist() == [repeats] * 60


def test_an_endless_space_has_no_sweep() -> None:
    assert Sweep(space().add_parameter("d", "continuous", (0.0, 1.0))).next(5) is None


def test_points_move_onto_the_level_of_their_cell() -> None:
    line = ParameterSpace("line").add_parameter("x", "continuous", (0.0, 1.0))
    moved = Lattice(line, resolution=3).onto_levels(np.array([[0.0], [0.3], [0.4], [0.9], [1.0]]))
    assert moved[:, 0].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_any_part_of_a_sweep_is_scattered() -> None:
    line = ParameterSpace("line").add_parameter("n", "discrete", (1, 1000))
    found = Sweep(line).next(20)
    assert found is not None
    assert np.histogram(found[:, 0], 5, (1, 1000))[0].min() >= 3


def test_what_is_too_large_to_walk_over_has_no_sweep() -> None:
    large = ParameterSpace("large")
    for name in "ab":
        large.add_parameter(name, "discrete", (1, 3000))
    assert Sweep(large).next(5) is None
