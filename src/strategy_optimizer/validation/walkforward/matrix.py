"""How often to optimise again: a walk-forward for each pair of window lengths, over the same out-of-sample bars."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.errors import SplitError
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.plain import as_plain
from strategy_optimizer.splits import Window
from strategy_optimizer.tasks import OptimizationTask
from strategy_optimizer.validation.statistics import (
    NotEnough,
    SharpeMoments,
    best_sharpe_without_skill,
    psr_h0,
    trials_sharpe_variance,
)
from strategy_optimizer.validation.walkforward.assembly import assemble
from strategy_optimizer.validation.walkforward.choices import Choice
from strategy_optimizer.validation.walkforward.lengths import Length, Lengths, plan_windows
from strategy_optimizer.validation.walkforward.progress import Tracker, WindowsSink
from strategy_optimizer.validation.walkforward.recommendation import recommend
from strategy_optimizer.validation.walkforward.recording import run_kept, search_identity
from strategy_optimizer.validation.walkforward.result import Choosing, WalkForward
from strategy_optimizer.validation.walkforward.searches import WindowSearches
from strategy_optimizer.validation.walkforward.track_record import TrackRecord
from strategy_optimizer.validation.walkforward.walk import first_task, read_lengths


@dataclass(frozen=True)
class MatrixCell:
    """One pair of lengths.

    Attributes
    ----------
    train, test : str
        As they were given.
    result : WalkForward
    """

    train: str
    test: str
    result: WalkForward

    @property
    def sharpe(self) -> float:
        """Annual Sharpe ratio of the stitched track record; NaN where it has none."""
        return self.result.out_of_sample.metrics["sharpe_ratio"]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without the single windows."""
        result = self.result
        plain: dict[str, Any] = as_plain(
            {
                "train": self.train,
                "test": self.test,
                "lengths": result.lengths,
                "windows": len(result.windows),
                "out_of_sample": result.out_of_sample,
                "defaults": result.defaults,
                "efficiency": result.efficiency,
                "share_gaining": result.share_gaining,
            }
        )
        return plain


@dataclass(frozen=True)
class WalkForwardMatrix:
    """Walk-forwards over the same out-of-sample bars.

    Attributes
    ----------
    cells : tuple of MatrixCell
        By training, then by test length.
    planned : int
        Cells that were to be made; more than there are after Ctrl-C.
    dates : tuple of str
        First and last out-of-sample bar, the same for all cells.
    buy_and_hold : TrackRecord
    best : int or None
        The cell with the highest Sharpe ratio; None where no cell has one.
    deflated : float or NotEnough
        PSR (`h0`) of the best cell against the expected maximum of as many cells without skill.
    recommendation : str
        How often to optimise again, in a sentence.
    caveats : tuple of str
        What to hold against it.
    trials : int
        Made in all; cells share the searches of training windows that they have in common.
    seed : int
    seconds : float
    """

    cells: tuple[MatrixCell, ...]
    planned: int
    dates: tuple[str, str]
    buy_and_hold: TrackRecord
    best: int | None
    deflated: float | NotEnough
    recommendation: str
    caveats: tuple[str, ...]
    trials: int
    seed: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        first = self.cells[0].result
        about = (
            "strategy_name",
            "strategy_digest",
            "data_name",
            "data_digest",
            "choose",
            "optimizer",
            "objective",
            "costs",
            "rules",
        )
        plain: dict[str, Any] = as_plain({name: getattr(first, name) for name in about} | vars(self))
        return plain

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def walk_forward_matrix(
    strategy: str | AnyStrategy,
    data: Any,
    optimizer: str = "auto",
    *,
    train: Sequence[Length],
    test: Sequence[Length],
    anchored: bool = False,
    purge: Length = 0,
    choose: Choosing = "recommended",
    seed: int = 0,
    workers: int | None = None,
    progress: WindowsSink | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    **search: Any,
) -> WalkForwardMatrix:
    """Return a walk-forward for each pair of training and test lengths, and which pair to use.

    Parameters
    ----------
    train, test : sequence of int or str
        Lengths, as for `walk_forward`. The step is the test length.
    strategy, data, optimizer, anchored, purge, choose, seed, workers, progress, checkpoint, resume, **search
        As for `walk_forward`.

    Raises
    ------
    SplitError
        As for `walk_forward`, and for a length that is given twice.

    Notes
    -----
    All cells are tested on the same bars: from where the longest training window ends to the last bar, a shorter last
    test window included. Shorter training windows thus begin later.

    Examples
    --------
    >>> found = walk_forward_matrix("momentum", "nasdaq", "random", train=["4y", "8y"], test=["3y"], evaluations=20)
    >>> [(cell.train, len(cell.result.windows)) for cell in found.cells], found.dates[0]
    ([('4y', 4), ('8y', 4)], '2007-01-24')
    """
    started = time.perf_counter()
    bars = load_bars(data)
    pairs = _pairs(bars, train, test, purge=purge, anchored=anchored)
    first_test = max(lengths.train for lengths in pairs.values()) + next(iter(pairs.values())).purge
    plans = {
        labels: plan_windows(
            bars.n_bars, lengths, begin=first_test - lengths.purge - lengths.train, every_bar=True
        )
        for labels, lengths in pairs.items()
    }
    shortest = min((windows[0].train for windows in plans.values()), key=len)
    task = first_task(strategy, bars, optimizer, shortest, seed=seed, workers=workers, **search)
    tested: dict[range, int] = {}
    for window in (window for windows in plans.values() for window in windows):
        tested[window.train] = max(window.test.stop, tested.get(window.train, 0))
    tracker = Tracker(len(tested), task.settings.budget.evaluations, progress)
    choices, more_notes = run_kept(
        partial(WindowSearches, task, bars, workers, tracker, choose),
        tested,
        checkpoint,
        resume,
        lambda: search_identity(task, choose, [asdict(lengths) for lengths in pairs.values()]),
    )
    cells = _cells(task, bars, pairs, plans, choices, choose)
    if not cells:
        raise KeyboardInterrupt
    found = _matrix(cells, len(pairs), choices, seed, time.perf_counter() - started)
    return replace(found, caveats=(*found.caveats, *more_notes))


def _pairs(
    bars: Bars, train: Sequence[Length], test: Sequence[Length], *, purge: Length, anchored: bool
) -> dict[tuple[str, str], Lengths]:
    """Return the lengths of each cell by what they are called."""
    for name, lengths in (("train", train), ("test", test)):
        if isinstance(lengths, (str, int)) or not lengths:
            raise SplitError(f"{name} is {lengths!r}; expected a list of lengths, such as ['1y', '3y']")
    pairs = {
        (_label(one), _label(other)): read_lengths(
            bars, train=one, test=other, step=None, purge=purge, anchored=anchored
        )
        for one in train
        for other in test
    }
    if len(set(pairs.values())) < len(train) * len(test):
        raise SplitError(
            f"the lengths {', '.join(map(_label, [*train, *test]))} name the same number of bars twice; "
            "leave one of them out"
        )
    for pair in pairs.values():
        plan_windows(bars.n_bars, pair)  # raises where one window of a cell is longer than the data
    return pairs


def _label(length: Length) -> str:
    text = str(length).strip()
    return f"{text} bars" if text.isdecimal() else text


def _cells(
    task: OptimizationTask,
    bars: Bars,
    pairs: Mapping[tuple[str, str], Lengths],
    plans: Mapping[tuple[str, str], tuple[Window, ...]],
    choices: Mapping[range, Choice],
    choose: Choosing,
) -> list[MatrixCell]:
    """Return the cells whose windows are all done: only these are over the same bars."""
    return [
        MatrixCell(
            *labels,
            assemble(
                task,
                bars,
                lengths,
                plans[labels],
                choices,
                choose=choose,
                planned=len(plans[labels]),
                seconds=math.nan,
            ),
        )
        for labels, lengths in pairs.items()
        if all(window.train in choices for window in plans[labels])
    ]


def _matrix(
    cells: Sequence[MatrixCell], planned: int, choices: Mapping[range, Choice], seed: int, seconds: float
) -> WalkForwardMatrix:
    known = [k for k, cell in enumerate(cells) if math.isfinite(cell.sharpe)]
    best = max(known, key=lambda k: cells[k].sharpe, default=None)
    deflated = _deflated([cell.result.out_of_sample for cell in cells], best)
    recommendation, caveats = recommend([(c.train, c.test, c.result) for c in cells], best, deflated)
    return WalkForwardMatrix(
        cells=tuple(cells),
        planned=planned,
        dates=cells[0].result.dates,
        buy_and_hold=cells[0].result.buy_and_hold,
        best=best,
        deflated=deflated,
        recommendation=recommendation,
        caveats=caveats,
        trials=sum(choice.trials for choice in choices.values()),
        seed=seed,
        seconds=seconds,
    )


def _deflated(records: Sequence[TrackRecord], best: int | None) -> float | NotEnough:
    """Return the PSR of the best record against the best that as many without skill are expected to have.

    Not `deflated_sharpe_h0`: it shrinks the standard error to that of the maximum of independent trials, while all
    cells trade one market and share most of their noise.
    """
    if best is None:
        return NotEnough("cells with a Sharpe ratio", 0, 1)
    found = [record.moments for record in records if isinstance(record.moments, SharpeMoments)]
    moments = records[best].moments
    if isinstance(moments, NotEnough):
        return moments
    if len(found) == 1:
        return psr_h0(moments)
    variance = trials_sharpe_variance([m.sharpe for m in found])
    if isinstance(variance, NotEnough):
        return variance
    return psr_h0(moments, best_sharpe_without_skill(variance, len(found)))
