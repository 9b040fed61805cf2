"""How long the windows are, in bars: what users write, and where each window lies.

A calendar length is a number of bars: by the spacing of the bars in the first year of the data, rounded. So all
windows of a walk-forward are equally long, and bars that come later change none of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from strategy_optimizer.errors import SplitError
from strategy_optimizer.market import Bars
from strategy_optimizer.market.moments import YEAR
from strategy_optimizer.splits import Window
from strategy_optimizer.splits import walk_forward as split_walk_forward
from strategy_optimizer.splits.checks import whole_number

Length: TypeAlias = int | str
"""Bars, or a text such as ``"250"``, ``"3y"``, ``"6m"``, ``"26w"``, ``"90d"``."""

LEAST_BARS = 2  # one bar has no return
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_EXPECTED = "bars such as 250, or years, months, weeks or days such as 3y, 6m, 26w, 90d"


@dataclass(frozen=True)
class Lengths:
    """The windows that are wanted, in bars.

    Attributes
    ----------
    train, test : int
        Of a training and of a test window; anchored, `train` is that of the first one.
    step : int
        From one test window to the next.
    purge : int
        Between training and test.
    anchored : bool
        Whether all training windows begin at the same bar.
    """

    train: int
    test: int
    step: int
    purge: int = 0
    anchored: bool = False


def bars_in(name: str, length: Length, bars: Bars, *, least: int = LEAST_BARS) -> int:
    """Return a length in bars.

    Parameters
    ----------
    name : str
        What the caller calls it, for the error.
    length : int or str
        Bars, or a text; see `Length`. ``m`` is a month.
    bars : Bars
        Say how many bars a year has: `bars_in_first_year`.
    least : int
        The smallest length that makes sense.

    Raises
    ------
    SplitError
        For a text that cannot be read, an unknown unit, or fewer than `least` bars.

    Examples
    --------
    >>> from strategy_optimizer import load_bars
    >>> nasdaq = load_bars("nasdaq")
    >>> bars_in("train", "3y", nasdaq), bars_in("test", "6m", nasdaq), bars_in("step", "20", nasdaq)
    (760, 127, 20)
    """
    if not isinstance(length, str):
        return whole_number(name, length, least=least)
    found = _TEXT.fullmatch(length.strip())
    if found is None:
        raise SplitError(f"{name} is {length!r}, which cannot be read; expected {_EXPECTED}")
    number, unit = float(found[1]), found[2].lower()
    if unit and unit not in _YEARS:
        raise SplitError(f"{name} is {length!r}, and {unit!r} is no unit of time here; expected {_EXPECTED}")
    if not unit and not number.is_integer():
        raise SplitError(
            f"{name} is {length!r} bars; expected a whole number, or {_EXPECTED.split(' or ')[1]}"
        )
    n = round(number * _YEARS[unit] * bars_in_first_year(bars)) if unit else int(number)
    if n < least:
        raise SplitError(
            f"{name} is {length!r}, which is {n} bars of {bars.name}; expected at least {least}: use a longer one"
        )
    return n


def bars_in_first_year(bars: Bars) -> float:
    """Return the bars a year by the spacing of those in the first 365.25 days."""
    n = int(np.searchsorted(bars.timestamp, bars.timestamp[0] + YEAR))
    if n < LEAST_BARS:
        raise SplitError(
            f"{bars.name} has {n} bar in its first year; expected at least {LEAST_BARS} to tell how long a year is: "
            "give lengths in bars"
        )
    return bars.slice(0, n).periods_per_year


def plan_windows(n: int, lengths: Lengths, *, begin: int = 0, every_bar: bool = False) -> tuple[Window, ...]:
    """Return the windows over the bars `begin` to `n`, the earliest first.

    Parameters
    ----------
    n : int
        Bars of the data.
    lengths : Lengths
    begin : int
        The first bar of the first training window.
    every_bar : bool
        Whether the bars left at the end always make a last, shorter test window; otherwise they do when they are
        at least half of one.

    Raises
    ------
    SplitError
        When not one window fits into the data.

    Examples
    --------
    >>> for window in plan_windows(11, Lengths(train=4, test=4, step=4)):
    ...     print(window.train, window.test)
    range(0, 4) range(4, 8)
    range(4, 8) range(8, 11)
    """

    def split(*, short_last: bool) -> tuple[Window, ...]:
        return split_walk_forward(
            n - begin,
            lengths.train,
            lengths.test,
            lengths.step,
            anchored=lengths.anchored,
            purge=lengths.purge,
            short_last=short_last,
        )

    least = 1 if every_bar else lengths.test / 2
    if not every_bar:
        split(short_last=False)  # one whole window has to fit
    windows = [window for window in split(short_last=True) if len(window.test) >= least]
    return tuple(Window(_shifted(window.train, begin), _shifted(window.test, begin)) for window in windows)


def stitched_parts(windows: Sequence[Window]) -> tuple[range, ...]:
    """Return the bars that each window gives to the stitched track record: its test, until the next one begins.

    Where the step is shorter than a test every bar thus counts once, with the parameters chosen last.

    >>> stitched_parts([Window(range(0, 4), range(4, 8)), Window(range(2, 6), range(6, 10))])
    (range(4, 6), range(6, 10))
    """
    ends = [window.test.start for window in windows[1:]] + [windows[-1].test.stop] if windows else []
    return tuple(
        range(window.test.start, min(window.test.stop, end))
        for window, end in zip(windows, ends, strict=True)
    )


def _shifted(bars: range, by: int) -> range:
    return range(bars.start + by, bars.stop + by)
