"""Walk-forward windows against small tables, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.errors import SplitError, StrategyOptimizerError
from strategy_optimizer.splits import Window, walk_forward


def pairs(*args, **options):
    return [(w.train.start, w.train.stop, w.test.start, w.test.stop) for w in walk_forward(*args, **options)]


def test_rolling_anchored_and_purged_tables():
    assert pairs(10, 4, 2) == [(0, 4, 4, 6), (2, 6, 6, 8), (4, 8, 8, 10)]
    assert pairs(10, 4, 2, anchored=True) == [(0, 4, 4, 6), (0, 6, 6, 8), (0, 8, 8, 10)]
    assert pairs(10, 4, 2, purge=1) == [(0, 4, 5, 7), (2, 6, 7, 9)]
    assert pairs(10, 4, 2, anchored=True, purge=1) == [(0, 4, 5, 7), (0, 6, 7, 9)]
    assert pairs(10, 4, 2, step=1) == [(i, i + 4, i + 4, i + 6) for i in range(5)]
    assert pairs(10, 4, 2, step=4) == [(0, 4, 4, 6), (4, 8, 8, 10)]


def test_bars_at_the_end_make_a_short_window_when_wanted():
    assert pairs(11, 4, 3) == [(0, 4, 4, 7), (3, 7, 7, 10)]
    assert pairs(11, 4, 3, short_last=True) == [(0, 4, 4, 7), (3, 7, 7, 10), (6, 10, 10, 11)]
    assert pairs(6, 5, 100, short_last=True) == [(0, 5, 5, 6)]


def test_the_window_may_fill_the_data():
    assert walk_forward(6, 4, 2) == (Window(range(4), range(4, 6)),)


def test_windows_longer_than_the_data_are_one_clear_error():
    with pytest.raises(
        SplitError, match=r"have 100 bars, but one window needs 131 \(train 100, purge 1, test 30"
    ):
        walk_forward(100, 100, 30, purge=1)
    with pytest.raises(SplitError):
        walk_forward(4, 4, 2, short_last=True)
    with pytest.raises(StrategyOptimizerError):
        walk_forward(0, 1, 1)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"train": 0}, "train"),
        ({"train": 2.5}, "train"),
        ({"train": True}, "train"),
        ({"test": -1}, "test"),
        ({"step": 0}, "step"),
        ({"purge": -1}, "purge"),
    ],
)
def test_a_wrong_number_is_named(options, name):
    with pytest.raises(SplitError, match=rf"^{name} is "):
        walk_forward(100, **{"train": 10, "test": 5, **options})


@given(
    n=st.integers(1, 200),
    train=st.integers(1, 60),
    test=st.integers(1, 40),
    purge=st.integers(0, 10),
    anchored=st.booleans(),
    short_last=st.booleans(),
)
def test_what_holds_for_every_walk_forward(n, train, test, purge, anchored, short_last):
    if train + purge + (1 if short_last else test) > n:
        with pytest.raises(SplitError):
            walk_forward(n, train, test, purge=purge, anchored=anchored, short_last=short_last)
        return
    windows = walk_forward(n, train, test, purge=purge, anchored=anchored, short_last=short_last)
    tested = [bar for window in windows for bar in window.test]
    assert tested == list(range(train + purge, train + purge + len(tested)))  # once each, without a hole
    assert n - tested[-1] <= (1 if short_last else test)
    for window in windows:
        assert window.train.stop + purge == window.test.start
        assert len(window.train) == (window.train.stop if anchored else train)
        assert len(window.test) == test or (short_last and window is windows[-1])
