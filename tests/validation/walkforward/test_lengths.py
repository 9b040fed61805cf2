"""Lengths as they are written, and where the windows lie."""

from __future__ import annotations

import pytest

from strategy_optimizer.errors import SplitError
from strategy_optimizer.splits import Window
from strategy_optimizer.validation.walkforward.lengths import Lengths, bars_in, plan_windows, stitched_parts


@pytest.mark.parametrize(
    ("length", "n"),
    [
        (250, 250),
        ("250", 250),
        ("1y", 253),
        ("3Y", 760),
        ("0.5y", 127),
        (" 6 m ", 127),
        ("26w", 126),
        ("90d", 62),
    ],
)
def test_a_length_in_bars(nasdaq, length, n) -> None:
    assert bars_in("train", length, nasdaq) == n


@pytest.mark.parametrize(
    ("length", "message"),
    [
        ("3q", "train is '3q', and 'q' is no unit of time here; expected bars such as 250, or years, months"),
        ("long", "train is 'long', which cannot be read; expected bars such as 250, or years"),
        ("-3y", "train is '-3y', which cannot be read"),
        ("2.5", "train is '2.5' bars; expected a whole number, or years"),
        ("1d", "train is '1d', which is 1 bars of nasdaq; expected at least 2: use a longer one"),
        ("0", "train is '0', which is 0 bars"),
        (1, "train is 1; expected a whole number of at least 2"),
        (2.5, "train is 2.5; expected a whole number"),
        (True, "train is True; expected a whole number"),
    ],
)
def test_a_length_that_makes_no_sense(nasdaq, length, message) -> None:
    with pytest.raises(SplitError) as caught:
        bars_in("train", length, nasdaq)
    assert message in str(caught.value)


def test_the_last_window_is_short_when_half_is_there() -> None:
    def last(n: int, **named: bool) -> range:
        return plan_windows(n, Lengths(4, 4, 4), **named)[-1].test

    assert last(12) == range(8, 12)
    assert last(13) == range(8, 12)
    assert last(14) == range(12, 14)
    assert last(13, every_bar=True) == range(12, 13)


def test_windows_may_begin_later() -> None:
    rolling = plan_windows(12, Lengths(3, 4, 4), begin=1)
    assert rolling == (Window(range(1, 4), range(4, 8)), Window(range(5, 8), range(8, 12)))
    anchored = plan_windows(12, Lengths(3, 4, 4, anchored=True), begin=1)
    assert [window.train for window in anchored] == [range(1, 4), range(1, 8)]


def test_one_whole_window_has_to_fit() -> None:
    with pytest.raises(SplitError, match="the data have 7 bars, but one window needs 8"):
        plan_windows(7, Lengths(4, 4, 4))


def test_stitched_bars_count_once() -> None:
    overlapping = plan_windows(12, Lengths(4, 4, 2))
    assert [window.test for window in overlapping] == [range(k, min(k + 4, 12)) for k in (4, 6, 8, 10)]
    parts = stitched_parts(overlapping)
    assert [t for part in parts for t in part] == list(range(4, 12))
    apart = stitched_parts(plan_windows(16, Lengths(4, 2, 5)))
    assert apart == (range(4, 6), range(9, 11), range(14, 16))
    assert stitched_parts([]) == ()


def test_later_bars_do_not_change_a_length(nasdaq) -> None:
    assert {bars_in("train", "2y", nasdaq.slice(0, n)) for n in (300, 1000, 5031)} == {506}
    assert bars_in("train", "3m", nasdaq.slice(0, 200)) == 63


def test_one_bar_does_not_tell_what_a_year_is(nasdaq) -> None:
    assert bars_in("train", "20", nasdaq.slice(0, 1)) == 20
    with pytest.raises(SplitError, match="nasdaq has 1 bar in its first year; expected at least 2 to tell"):
        bars_in("train", "1y", nasdaq.slice(0, 1))
