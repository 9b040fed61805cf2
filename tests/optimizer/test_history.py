from __future__ import annotations

import numpy as np
import pytest

from strategy_optimizer.optimizer.history import Columns, PendingPoints, TriedPoints, total_violation


def test_columns_grow_and_keep_their_values() -> None:
    table = Columns(a=np.empty(0), b=np.empty((0, 2), np.int64))
    for start in range(0, 1000, 7):
        table.append(a=np.arange(start, start + 7.0), b=np.arange(start, start + 7)[:, None] * [1, 10])
    assert len(table) == 1001
    np.testing.assert_array_equal(table["a"], np.arange(1001.0))
    np.testing.assert_array_equal(table["b"][:, 1], 10 * np.arange(1001))


def test_pending_points_are_found_in_any_order() -> None:
    pending = PendingPoints(2)
    rows = np.arange(20.0).reshape(10, 2)
    pending.add(range(10), rows, np.arange(10))
    taken, tickets = pending.take([7, 99, 2])
    np.testing.assert_array_equal(taken[[0, 2]], rows[[7, 2]])
    assert np.isnan(taken[1]).all()
    assert tickets.tolist() == [7, -1, 2]
    assert len(pending) == 8
    assert 7 not in pending
    assert 3 in pending


def test_a_point_may_be_out_twice() -> None:
    pending = PendingPoints(1)
    pending.add([5, 5], np.array([[1.0], [2.0]]), np.array([0, 1]))
    assert pending.take([5])[1].tolist() == [0]
    assert 5 in pending
    assert pending.take([5, 5])[1].tolist() == [1, -1]
    assert len(pending) == 0


def test_pending_points_are_exported_in_the_order_of_asking() -> None:
    pending = PendingPoints(1)
    pending.add([1, 2, 3], np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 2]))
    pending.take([1])
    pending.add([4, 2], np.array([[4.0], [5.0]]), np.array([3, 4]))
    keys, rows, tickets = pending.export()
    assert keys.tolist() == [2, 3, 4, 2]
    assert rows[:, 0].tolist() == [2.0, 3.0, 4.0, 5.0]
    assert tickets.tolist() == [1, 2, 3, 4]


def test_points_are_admitted_as_often_as_they_may() -> None:
    tried = TriedPoints(2)
    assert tried.admit([1, 1, 1, 2], limit=10) == [0, 1, 3]
    assert tried.any_repeated
    tried.use_up([2])
    assert tried.admit([2, 1, 3, 4], limit=1) == [2]
    assert tried.admit([4], limit=1) == [0]  # what the limit cut off was not counted


@pytest.mark.parametrize(
    ("constraints", "violation"),
    [([[0.0, 1.0]], 0.0), ([[-0.5, -1.5]], 2.0), ([[np.nan, 1.0]], np.inf)],
)
def test_violations_add_up(constraints: list[list[float]], violation: float) -> None:
    assert total_violation(np.array(constraints), 1).tolist() == [violation]
