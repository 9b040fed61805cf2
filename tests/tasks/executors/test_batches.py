from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.tasks.executors.batches import MOST, BatchSizes


@given(
    st.lists(st.tuples(st.integers(1, MOST), st.floats(0.0, 100.0)), min_size=1),
    st.integers(1, 10_000),
    st.integers(1, 100),
)
def test_a_batch_is_neither_long_nor_more_than_its_share(
    measured: list[tuple[int, float]], waiting: int, places: int
) -> None:
    sizes = BatchSizes(0.025)
    for runs, seconds in measured:
        sizes.measure(runs, seconds)
    size = sizes.size(waiting, places)
    assert 1 <= size <= max(1, -(-waiting // places))
    assert sizes.run_seconds is not None
    assert size == 1 or (size - 0.5) * sizes.run_seconds <= 0.025 + 1e-9


def test_a_long_run_is_met_at_once_and_forgotten_slowly() -> None:
    sizes = BatchSizes(0.025)
    sizes.measure(100, 0.1)
    assert sizes.largest == 25
    sizes.measure(1, 3.0)
    assert sizes.largest == 1
    for _ in range(40):
        sizes.measure(4, 0.004)
    assert sizes.largest > 10


def test_the_last_runs_are_shared_out() -> None:
    sizes = BatchSizes(0.025)
    sizes.measure(100, 0.01)
    assert [sizes.size(waiting, 4) for waiting in (10_000, 100, 8, 4, 1)] == [250, 25, 2, 1, 1]
