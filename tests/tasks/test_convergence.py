"""When a search converged, and how widely it looked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer import ParameterSpace
from strategy_optimizer.tasks.convergence import convergence_iteration, exploration_ratio, front_convergence


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0], 1),
        ([1.0, 1.0, 1.0], 1),
        ([0.0, 50.0, 98.9, 99.0, 100.0], 4),
        ([-np.inf, -np.inf, 3.0], 3),
        ([5.0, 1.0, -np.inf], 1),
        ([-2.0, -1.0, -1.5], 2),
    ],
)
def test_known_cases(scores: list[float], expected: int) -> None:
    assert convergence_iteration(np.array(scores)) == expected


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_the_definition_read_aloud(scores: list[float]) -> None:
    first, final = scores[0], max(scores)
    needed = final - 0.01 * (final - first)
    expected = next(i for i in range(len(scores)) if max(scores[: i + 1]) >= needed) + 1
    assert convergence_iteration(np.array(scores)) == expected


def test_exploration_counts_distinct_cells() -> None:
    space = (
        ParameterSpace("s").add_parameter("x", "continuous", (0, 1)).add_parameter("y", "continuous", (0, 1))
    )
    points = np.array([[0.01, 0.5], [0.09, 0.59], [0.11, 0.5], [1.0, 0.5], [0.95, 0.5]])
    assert exploration_ratio(space, points) == 3 / 5


def test_inactive_is_a_cell_of_its_own() -> None:
    space = ParameterSpace("s").add_parameter("on", "categorical", [False, True])
    space.add_parameter("x", "continuous", (0, 1), condition="on == True")
    points = np.array([[0.0, np.nan], [0.0, np.nan], [1.0, 0.0], [1.0, 0.05]])
    assert exploration_ratio(space, points) == 2 / 4


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), min_size=1, max_size=25))
def test_the_front_converges_when_all_of_it_is_nearly_there(trials: list[tuple[int, int, bool]]) -> None:
    gains = np.array([trial[:2] for trial in trials], float)
    feasible = np.array([trial[2] for trial in trials])
    if not feasible.any():
        return
    beaten = [
        any(feasible[j] and (gains[j] >= g).all() and (gains[j] > g).any() for j in range(len(gains)))
        for g in gains
    ]
    front = np.flatnonzero(feasible & ~np.array(beaten))
    slack = 0.01 * (gains[front].max(axis=0) - gains[front].min(axis=0))

    def complete(n: int) -> bool:
        return all(
            any(feasible[j] and (gains[j] >= gains[row] - slack).all() for j in range(n)) for row in front
        )

    expected = next(n for n in range(1, len(gains) + 1) if complete(n))
    assert front_convergence(gains, feasible, front) == expected
