"""Selection in time: choose on the past, test on what comes next, move on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.errors import DataError, TaskError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.tasks import OptimizationTask, make_task
from strategy_optimizer.validation.walkforward.assembly import assemble
from strategy_optimizer.validation.walkforward.choices import window_task
from strategy_optimizer.validation.walkforward.lengths import Length, Lengths, bars_in, plan_windows
from strategy_optimizer.validation.walkforward.progress import Tracker, WindowsSink
from strategy_optimizer.validation.walkforward.recording import run_kept, search_identity
from strategy_optimizer.validation.walkforward.result import Choosing, WalkForward
from strategy_optimizer.validation.walkforward.searches import WindowSearches

NOT_TAKEN: Mapping[str, str] = {
    "seconds": "a limit of time would make the choices depend on the machine; limit the trials with evaluations",
    "holdout": "the test windows are what is held out",
    "validate": "it is a validation itself",
    "warm_start": "points that were found on later bars would tell earlier windows about them",
}


def walk_forward(
    strategy: str | AnyStrategy,
    data: Any,
    optimizer: str = "auto",
    *,
    train: Length,
    test: Length,
    step: Length | None = None,
    anchored: bool = False,
    purge: Length = 0,
    choose: Choosing = "recommended",
    seed: int = 0,
    workers: int | None = None,
    progress: WindowsSink | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    **search: Any,
) -> WalkForward:
    """Optimise again and again on a window of the past and trade each choice on the bars that follow.

    Parameters
    ----------
    strategy, data, optimizer
        As for `optimize`.
    train, test : int or str
        Lengths of a training and of a test window: bars, or ``"3y"``, ``"6m"``, ``"26w"``, ``"90d"``, in bars as
        they are spaced in the first year of the data. Anchored, `train` is the length of the first window.
    step : int or str, optional
        From one test window to the next; `test` by default. Shorter steps make tests overlap: the stitched track
        record then takes each of them until the next begins. Longer ones leave bars out.
    anchored : bool
        Whether every training window starts at the first bar and grows; otherwise it rolls.
    purge : int or str
        Bars between training and test that belong to neither.
    choose : {"recommended", "best"}
        Which parameters of each search are traded: the recommended ones, as a deployment would, or the in-sample best.
    seed : int
        Each window's search draws its own from it and from the place of its training bars.
    workers : int, optional
        Windows searched at a time, in this process and in worker processes; all cores by default. The result does not
        depend on it. Short work, and with 1 all of it, stays in this process.
    progress : callable, optional
        Receives `WindowsProgress`.
    checkpoint : str or Path, optional
        Folder that keeps each window whose search is done, so that a killed walk-forward can be resumed.
    resume : bool
        Continue the walk-forward in `checkpoint`; the result is that of one which was not interrupted.
    **search
        Anything else that `optimize` takes: ``evaluations`` (trials of each window), ``objective``,
        ``outcome_constraints``, ``space``, ``constraints``, ``costs``, ``fill``, ``cash``, ``target``, ``patience``,
        ``ledger`` (whether later searches on these data are to count these trials), settings of the optimizer.

    Returns
    -------
    WalkForward
        A window without a valid trial holds cash, and says why. After Ctrl-C there are those that were done.

    Raises
    ------
    SplitError
        A length that cannot be read, or windows longer than the data; before anything runs.
    StrategyOptimizerError
        What `optimize` raises when the strategy, data or settings cannot be used.
    CheckpointError
        The folder holds a walk-forward already, none to resume, or another one: each difference is named.
    ExecutorError
        A window whose worker process ends each time it is begun.
    KeyboardInterrupt
        Ctrl-C before one window was done.

    Notes
    -----
    Look-ahead: a search is given its training bars and no others; a test is given no bar after its end. Indicators
    are warmed up inside the training bars, and for a test on all bars before it, which are not traded; every test
    starts flat. The bars at the end make a last, shorter test when they are at least half of one.

    Examples
    --------
    >>> found = walk_forward("momentum", "nasdaq", "random", train="6y", test="3y", evaluations=50)
    >>> len(found.windows), found.windows[0].test_dates
    (5, ('2005-01-19', '2008-01-25'))
    >>> found.out_of_sample.equity.shape == found.out_of_sample.returns.shape
    True
    """
    started = time.perf_counter()
    bars = load_bars(data)
    lengths = read_lengths(bars, train=train, test=test, step=step, purge=purge, anchored=anchored)
    windows = plan_windows(bars.n_bars, lengths)
    task = first_task(strategy, bars, optimizer, windows[0].train, seed=seed, workers=workers, **search)
    tracker = Tracker(len(windows), task.settings.budget.evaluations, progress)
    choices, more_notes = run_kept(
        partial(WindowSearches, task, bars, workers, tracker, choose),
        {window.train: window.test.stop for window in windows},
        checkpoint,
        resume,
        lambda: search_identity(task, choose, asdict(lengths)),
    )
    done = [window for window in windows if window.train in choices]
    if not done:
        raise KeyboardInterrupt
    seconds = time.perf_counter() - started
    found = assemble(task, bars, lengths, done, choices, choose=choose, planned=len(windows), seconds=seconds)
    return replace(found, notes=(*found.notes, *more_notes))


def read_lengths(
    bars: Bars, *, train: Length, test: Length, step: Length | None, purge: Length, anchored: bool
) -> Lengths:
    """Return the lengths in bars."""
    test_bars = bars_in("test", test, bars)
    return Lengths(
        train=bars_in("train", train, bars),
        test=test_bars,
        step=test_bars if step is None else bars_in("step", step, bars, least=1),
        purge=bars_in("purge", purge, bars, least=0),
        anchored=anchored,
    )


def first_task(
    strategy: str | AnyStrategy, bars: Bars, optimizer: str, train: range, **search: Any
) -> OptimizationTask:
    """Return the search of the first window, the model of all others, once the strategy was seen to run on it."""
    for name in NOT_TAKEN:
        if search.get(name) is not None:
            raise TaskError(f"a walk-forward takes no {name}: {NOT_TAKEN[name]}")
    task = make_task(strategy, bars, optimizer, holdout=0.0, **search)
    try:
        window_task(task, bars, train).check_defaults()
    except DataError as error:
        raise DataError(f"the training window of {len(train):,} bars is too short: {error}") from error
    return task
