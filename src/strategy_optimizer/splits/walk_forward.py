"""Walk-forward windows: train on the past, test on what comes next, move on.

References
----------
.. [1] Pardo (2008). The evaluation and optimization of trading strategies, 2nd ed. Wiley. (chapter 11)
.. [2] López de Prado (2018). Advances in financial machine learning. Wiley. (section 7.4, purging)
"""

from __future__ import annotations

from dataclasses import dataclass

from strategy_optimizer.errors import SplitError
from strategy_optimizer.splits.checks import whole_number


@dataclass(frozen=True)
class Window:
    """The bars of one step: `train` and `test` are ranges of bar indices from 0, ends excluded."""

    train: range
    test: range


def walk_forward(
    n: int,
    train: int,
    test: int,
    step: int | None = None,
    *,
    anchored: bool = False,
    purge: int = 0,
    short_last: bool = False,
) -> tuple[Window, ...]:
    """Return the windows of a walk-forward over `n` bars, the earliest first.

    Parameters
    ----------
    n : int
        Bars.
    train, test : int
        Bars of a training and of a test window. Anchored, `train` is the length of the first one.
    step : int, optional
        Bars from one test window to the next; `test` by default, so that they follow one another. Shorter
        steps make test windows overlap, longer ones leave bars untested.
    anchored : bool
        Whether every training window starts at bar 0 and grows; otherwise it rolls and keeps its length.
    purge : int
        Bars between training and test that belong to neither: as many as a trade or an indicator of the
        test may reach back. Training windows keep their length.
    short_last : bool
        Whether the bars at the end that are fewer than `test` make a last, shorter test window.

    Raises
    ------
    SplitError
        When not one window fits into the data.

    Notes
    -----
    Look-ahead: all training bars lie before the test. For that reason there is no embargo, which drops training
    bars after it.

    Examples
    --------
    >>> for window in walk_forward(10, train=4, test=2, purge=1):
    ...     print(window.train, window.test)
    range(0, 4) range(5, 7)
    range(2, 6) range(7, 9)
    >>> [window.train for window in walk_forward(10, train=4, test=2, anchored=True)]
    [range(0, 4), range(0, 6), range(0, 8)]
    """
    n = whole_number("n", n, least=0)
    train = whole_number("train", train, least=1)
    test = whole_number("test", test, least=1)
    step = test if step is None else whole_number("step", step, least=1)
    purge = whole_number("purge", purge, least=0)
    needed = train + purge + (1 if short_last else test)
    if needed > n:
        raise SplitError(
            f"the data have {n:,} bars, but one window needs {needed:,} (train {train:,}, purge {purge:,}, "
            f"test {needed - train - purge:,}); use shorter windows or more data"
        )
    return tuple(
        Window(
            range(0 if anchored else start - purge - train, start - purge), range(start, min(start + test, n))
        )
        for start in range(train + purge, n if short_last else n - test + 1, step)
    )
