"""Makes entries of the ledger from searches that have ended."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.market import Bars
from strategy_optimizer.market.moments import moment_text
from strategy_optimizer.tasks import EngineSearch, FinishedSearch, OptimizationTask
from strategy_optimizer.tasks.division import Window
from strategy_optimizer.validation.engine_trials import (
    engine_sharpes,
    gave_metrics,
    gave_returns,
    n_returns,
)
from strategy_optimizer.validation.ledger.entry import (
    MOST_SYMBOLS,
    SKETCHED,
    Entry,
    Sketch,
    Trials,
    joined,
    most_sketched,
    now,
    short,
)
from strategy_optimizer.validation.ledger.keys import KeyArray, KeySet, parameter_keys, representative_keys
from strategy_optimizer.validation.ledger.months import Months, months_of, unseen_months
from strategy_optimizer.validation.ledger.spread import SharpeSpread
from strategy_optimizer.validation.statistics import NotEnough, null_sharpe_variance
from strategy_optimizer.validation.trial_returns import PERIOD_BARS, evaluate_periods, trial_sharpes

LONGEST = 1.0  # seconds for running trials again
MOST_RETURNS = 2**24  # that are made in all: of a million bars fewer trials are kept
CHUNK_BYTES = 2**25  # of the sums that are made at a time


def entry_of(search: FinishedSearch, *, shown: int | None = None, threads: int | None = None) -> Entry:
    """Return the entry of a search that has ended.

    Parameters
    ----------
    search : FinishedSearch
        With at least one trial.
    shown : int, optional
        Row of the trial that is judged by the held-out bars; the winner's by default.
    threads : int, optional
        All cores by default; the entry does not depend on it.
    """
    judged = search.history.best if shown is None else shown
    points = search.history.points[[] if judged is None else [judged]]
    return _entry(
        search,
        search.bars,
        kind="search",
        task_id=search.task_id,
        interrupted=search.stop_reason in ("interrupted", "cancelled"),
        trials=trials_of(search, threads=threads),
        window=search.in_sample,
        held_out=search.held_out,
        shown=_keys(search, points),
    )


def engine_entry_of(search: EngineSearch, *, shown: int | None = None) -> Entry:
    """Return the entry of a search on another engine that has ended; the parameters are those of `entry_of`.

    Notes
    -----
    Its bars are not known. The same data are those of the same `Engine.data_digest`, of which so large a share is held
    out; for an engine that cannot say it, those of the same engine. No returns are kept.
    """
    history = search.history
    searched, held_out = _engine_months(search)
    judged = history.best if shown is None else shown
    return Entry(
        task_id=search.task_id,
        kind="search",
        recorded=now(),
        interrupted=search.stop_reason in ("interrupted", "cancelled"),
        strategy=short(search.engine.label),
        strategy_digest=search.digest,
        data=short(search.data or ""),
        symbols=(),
        first="",
        last="",
        trials=_engine_trials(search),
        searched=searched,
        held_out=held_out,
        shown=_engine_keys(search, history.points[[] if judged is None else [judged]]),
    )


def _engine_months(search: EngineSearch) -> tuple[Months, Months]:
    """Return what stands for the months that were searched and held out."""
    later = search.held_out
    if search.data is None:
        searched = unseen_months(f"engine {search.digest}")
        return searched, unseen_months("", 0.0, 0.0) if later is None else unseen_months(
            f"engine {later.digest()}"
        )
    split = 1.0 if later is None else 1.0 - search.holdout
    text = f"data {search.data}"
    return unseen_months(text, 0.0, split), unseen_months(text, split, 1.0)


def _engine_trials(search: EngineSearch) -> Trials:
    """Return what is kept of an engine's trials; those without returns count as different ones."""
    history = search.history
    ran, known = gave_metrics(history), gave_returns(history)
    keys = _engine_keys(search, history.points)
    compared = representative_keys(keys[known], history.block_returns[known])
    distinct = np.unique(np.concatenate([compared, keys[ran & ~known]]))
    return Trials(
        made=len(history),
        distinct=len(distinct),
        keys=KeySet.of(distinct),
        spread=SharpeSpread.of(engine_sharpes(search), max(1, n_returns(history))),
        sketch=Sketch.none(),
    )


def _engine_keys(search: EngineSearch, points: NDArray[np.float64]) -> KeyArray:
    return parameter_keys(search.digest, search.space, search.space, points)


def walk_forward_entry(
    task: OptimizationTask,
    bars: Bars,
    trains: Sequence[range],
    parts: Mapping[range, Trials],
    last_choice: Mapping[str, Any] | None,
    *,
    seen: int,
    interrupted: bool,
) -> Entry:
    """Return the one entry of a walk-forward.

    Parameters
    ----------
    task : OptimizationTask
        The model of its searches.
    bars : Bars
    trains : sequence of range
        All training windows that were planned.
    parts : mapping of range to Trials
        Of the windows whose search ended, at least one.
    last_choice : mapping, optional
        Parameters that the last window chose: what was seen of the bars is counted as one look, of these.
    seen : int
        The bar at which the last test that was shown ends. The tests after the last search are its held-out bars.
    interrupted : bool
        Whether windows are missing.
    """
    identity = [task.identity(), asdict(task.settings.budget), [(t.start, t.stop) for t in trains]]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    points = task.space.from_dicts([] if last_choice is None else [last_choice])
    window = min(part.start for part in parts), max(part.stop for part in parts)
    return _entry(
        task,
        bars,
        kind="walk-forward",
        task_id=f"{task.strategy.label()}-walk-forward-{digest[:12]}",
        interrupted=interrupted,
        trials=joined([parts[train] for train in sorted(parts, key=lambda t: (t.start, t.stop))]),
        window=window,
        held_out=(window[1], seen) if seen > window[1] else None,
        shown=_keys(task, points),
    )


def trials_of(search: FinishedSearch, *, sketched: int = SKETCHED, threads: int | None = None) -> Trials:
    """Return what is kept of a search's trials, and the returns of at most `sketched` even ones."""
    history = search.history
    completed = np.isfinite(history.metrics[:, 0])
    keys = _keys(search, history.points[completed])
    distinct = representative_keys(keys, history.block_returns[completed])
    start, stop = search.in_sample
    return Trials(
        made=len(history),
        distinct=len(distinct),
        keys=KeySet.of(distinct),
        spread=SharpeSpread.of(trial_sharpes(search), stop - start - 1),
        sketch=_sketch(search, sketched, threads),
    )


def _entry(
    about: FinishedSearch | OptimizationTask,
    bars: Bars,
    *,
    window: Window,
    held_out: Window | None,
    **values: Any,
) -> Entry:
    return Entry(
        recorded=now(),
        strategy=short(about.strategy.label()),
        strategy_digest=about.strategy.digest(),
        data=short(bars.name),
        symbols=tuple(short(symbol) for symbol in bars.symbols[:MOST_SYMBOLS]),
        first=moment_text(int(bars.timestamp[window[0]])),
        last=moment_text(int(bars.timestamp[window[1] - 1])),
        searched=months_of(bars, window),
        held_out=months_of(bars, held_out),
        **values,
    )


def _keys(about: FinishedSearch | OptimizationTask, points: NDArray[np.float64]) -> KeyArray:
    return parameter_keys(about.strategy.digest(), about.bound_strategy.space(), about.space, points)


def _sketch(search: FinishedSearch, at_most: int, threads: int | None) -> Sketch:
    """Return the monthly returns of an even sample of the searched space; of none where that takes too long.

    Not of trials: a search crowds them, so that they are more alike than the strategies that it chose from.
    """
    start, stop = search.in_sample
    numbers = search.bars.timestamp[start + 1 : stop].view("M8[ns]").astype("M8[M]").view(np.int64)
    months, first = np.unique(numbers, return_index=True)
    seconds = float(np.median(search.history.seconds))
    in_time = at_most if seconds * at_most <= LONGEST else int(LONGEST / seconds)
    n = min(at_most, in_time, most_sketched(len(months)), MOST_RETURNS // (stop - start))
    if n < 1:
        return Sketch.none()
    points = search.space.sample(n, np.random.default_rng(zlib.crc32(search.task_id.encode())), "sobol")
    monthly, weekly = _summed(search, points, (first, np.arange(0, stop - start - 1, PERIOD_BARS)), threads)
    found = null_sharpe_variance(weekly.T, observations=1)
    diversity = None if isinstance(found, NotEnough) else found
    return Sketch(months.astype(np.int32), monthly.astype(np.float32), diversity)


def _summed(
    search: FinishedSearch,
    points: NDArray[np.float64],
    firsts: Sequence[NDArray[np.intp]],
    threads: int | None,
) -> list[NDArray[np.float64]]:
    """Return the sums of the returns per bar (n, periods) of points for each division: where its periods begin."""
    start, stop = search.in_sample
    rules = replace(search.rules, n_blocks=stop - start - 1)  # each return in a block of its own
    at_once = max(1, CHUNK_BYTES // (24 * rules.n_blocks))
    parts: list[list[NDArray[np.float64]]] = [[] for _ in firsts]
    for row in range(0, len(points), at_once):
        returns = evaluate_periods(search, points[row : row + at_once], rules, threads)
        for part, first in zip(parts, firsts, strict=True):
            part.append(np.add.reduceat(returns, first, axis=1))
    return [np.concatenate(part) for part in parts]
