"""The scores of a task in few points, from its trials or from the outlines of its chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.tables import trial_chunks
from strategy_optimizer.storage.task_records import TaskRecord
from strategy_optimizer.storage.trial_chunk import OUTLINE, OUTLINE_ROWS, TrialChunk


@dataclass(frozen=True)
class ScoreCurve:
    """The scores of a task in few points.

    Attributes
    ----------
    first, stop : array of int
        Each point stands for the trials from `first` to before `stop`, by index from 0.
    low, high : array
        Their lowest and highest score; NaN where none completed.
    best : array
        The best feasible score up to the end of the point; NaN before there is one.
    """

    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    best: NDArray[np.float64]


def read_curve(transaction: Transaction, task: TaskRecord, points: int) -> ScoreCurve:
    """Return the scores of all trials in at most so many points.

    A task of few trials is read as it is; of a long one only the outlines are, of sixteen trials each.
    """
    if task.trials <= points * OUTLINE_ROWS:
        return _thinned(*_all_scores(transaction, task.id), points)
    return _thinned(*_outlines(transaction, task.id), points)


def _all_scores(
    transaction: Transaction, task_id: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.void]]:
    """Return each trial as a bin of its own: first, stop, outline."""
    scores, best = [np.empty(0)], [np.empty(0)]
    statement = select(trial_chunks.c.payload).where(trial_chunks.c.task_id == task_id)
    for row in transaction.connection.execute(statement.order_by(trial_chunks.c.first)):
        columns = TrialChunk.from_payload(row.payload).columns
        finite = np.where(np.isfinite(columns.scores), columns.scores, np.nan)
        scores.append(finite)
        best.append(np.where(columns.feasible, finite, np.nan))
    outline = np.empty(sum(map(len, scores)), OUTLINE)
    outline["low"] = outline["high"] = np.concatenate(scores)
    outline["best"] = np.concatenate(best)
    first = np.arange(len(outline))
    return first, first + 1, outline


def _outlines(
    transaction: Transaction, task_id: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.void]]:
    """Return the bins of the stored outlines: first, stop, outline."""
    firsts, stops, outlines = [], [], []
    statement = select(trial_chunks.c.first, trial_chunks.c.rows, trial_chunks.c.outline).where(
        trial_chunks.c.task_id == task_id
    )
    for row in transaction.connection.execute(statement.order_by(trial_chunks.c.first)):
        bins = np.arange(row.first, row.first + row.rows, OUTLINE_ROWS)
        firsts.append(bins)
        stops.append(np.minimum(bins + OUTLINE_ROWS, row.first + row.rows))
        outlines.append(np.frombuffer(row.outline, OUTLINE))
    return np.concatenate(firsts), np.concatenate(stops), np.concatenate(outlines)


def _thinned(
    first: NDArray[np.int64], stop: NDArray[np.int64], outline: NDArray[np.void], points: int
) -> ScoreCurve:
    """Join neighbouring bins until there are at most `points`."""
    n = len(outline)
    starts = (
        np.unique(np.linspace(0, n, min(points, n), endpoint=False).astype(int)) if n else np.empty(0, int)
    )
    if not n:
        nothing = np.empty(0)
        return ScoreCurve(first, stop, nothing, nothing, nothing)
    ends = np.append(starts[1:], n) - 1
    return ScoreCurve(
        first[starts],
        stop[ends],
        np.fmin.reduceat(outline["low"], starts),
        np.fmax.reduceat(outline["high"], starts),
        np.fmax.accumulate(np.fmax.reduceat(outline["best"], starts)),
    )
