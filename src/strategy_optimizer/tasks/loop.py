"""What every search loop shares: its budget, history, checkpoint, events, and the ways in which it ends."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.errors import CheckpointError, OptimizerStateError, TaskError
from strategy_optimizer.objective import Objective
from strategy_optimizer.optimizer import Optimizer, restore_optimizer
from strategy_optimizer.records import CheckpointSaved, Finished, Progress, Sink, Started, StopReason
from strategy_optimizer.tasks.budget import Budget
from strategy_optimizer.tasks.checkpoint import SearchCheckpoint
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.interrupt import InterruptGuard

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
MAX_BATCH = 4096
PROGRESS_INTERVAL = 0.1


class Loop(ABC):
    """Runs one search to its end, or to where it is stopped; how trials are run is left open.

    Parameters
    ----------
    optimizer : Optimizer
        A fresh one; a saved one takes its place when `checkpoint` holds a search.
    objective : Objective
    budget : Budget
    checkpoint : SearchCheckpoint, optional
        Opened by the caller, who also closes it.
    sink : callable, optional
        Receives `Started`, `Progress` (at most ten a second), `CheckpointSaved` and `Finished`.
    n_blocks : int
        Parts of the window in the evaluator's block sums.

    Attributes
    ----------
    history : TrialHistory
    stop_reason : str or None
        None while running.
    why_converged : str or None
        With ``patience="auto"``, the optimizer's own words.
    n_resumed : int
        Trials that came from the checkpoint.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        objective: Objective,
        budget: Budget,
        *,
        checkpoint: SearchCheckpoint | None = None,
        sink: Sink | None = None,
        n_blocks: int = 16,
    ) -> None:
        _check_directions(optimizer, objective)
        self.optimizer = optimizer
        self.objective = objective
        self.budget = budget
        self.history = TrialHistory(optimizer.space, n_blocks, objective)
        self.stop_reason: StopReason | None = None
        self.why_converged: str | None = None  # in a sentence, where the optimizer said so
        self.n_resumed = 0
        self._checkpoint = checkpoint
        self._sink = sink
        self._before = 0.0  # seconds of earlier sessions
        self._started = self._last_progress = time.perf_counter()
        self._stopped: float | None = None
        self._asked_to_end: StopReason | None = None
        self._guard = InterruptGuard()

    @property
    def elapsed(self) -> float:
        """Seconds spent searching, earlier sessions included."""
        return self._before + self.session_seconds

    @property
    def session_seconds(self) -> float:
        """Seconds spent searching since `run` was called."""
        return (self._stopped or time.perf_counter()) - self._started

    def cancel(self, reason: StopReason = "cancelled") -> None:
        """End the search after the group of trials in flight; may be called from any thread."""
        self._asked_to_end = reason

    def run(self) -> StopReason:
        """Search until something ends it, and return what it was.

        Raises
        ------
        CheckpointError
            When the checkpoint cannot be read or written. What was saved before stays whole.
        """
        self._restore()
        self._started = time.perf_counter()
        self._say(self._start_event)
        with self._guard:
            reason: StopReason | None = None
            while reason is None:
                reason = self._reason_to_stop() or self._step()
            self._stopped = time.perf_counter()
            self.stop_reason = reason
            self._save()
            self._wind_up()
        self.history.authors = self._authors()
        self._report(force=True)
        self._say(lambda: Finished(reason, len(self.history), self._best_score(), self.elapsed))
        return reason

    def _authors(self) -> list[str | None]:
        """Return who proposed each trial; nobody is named for those that ended too late for the optimizer to know."""
        told = self.optimizer.authors
        return [*told, *[None] * (len(self.history) - len(told))]

    # -- what a kind of loop adds ----------------------------------------------------------------------------

    @abstractmethod
    def _step(self) -> StopReason | None:
        """Make some trials; return why the search ends, if it does."""

    @abstractmethod
    def _flight(self) -> dict[str, Any]:
        """Return, as JSON values, which trials were asked for and not told."""

    @abstractmethod
    def _take_off(self, flight: Mapping[str, Any]) -> None:
        """Go on with what `_flight` returned."""

    def _wind_up(self) -> None:  # noqa: B027  # most have nothing to do
        """Do what is left when the search has ended and was saved."""

    # -- trials ----------------------------------------------------------------------------------------------

    def _take_in(
        self,
        points: FloatArray,
        table: MetricsTable,
        seconds: float | FloatArray,
        *,
        asked: IntArray | None = None,
        known: int | IntArray = 0,
        estimates: FloatArray | None = None,
    ) -> None:
        """Score evaluated trials, tell the optimizer, note them.

        `estimates`, (n,), are the scores of those that were pruned, NaN for the others.
        """
        if len(table) != len(points):
            raise TaskError(f"the evaluator returned {len(table)} rows for {len(points)} candidates")
        scores = self.objective.score_table(table)
        pruned = None if estimates is None else ~np.isnan(estimates)
        if pruned is not None and pruned.any():  # with several objectives none is
            scores.score[pruned] = estimates[pruned]  # type: ignore[index]
            scores.reasons.update({row: table.errors[row] for row in np.flatnonzero(pruned).tolist()})
        margins = scores.constraints if self.objective.constraints else None
        self.optimizer.tell_array(points, scores.score, constraints=margins, seconds=seconds)
        self.history.append(points, table, scores, seconds, asked=asked, known=known, pruned=pruned)

    def _reason_to_stop(self) -> StopReason | None:
        """Return what ends the search between two groups."""
        if self._asked_to_end is not None:
            return self._asked_to_end
        if self._guard.requested:
            return "interrupted"
        seconds = self.budget.seconds
        if seconds is not None and self.elapsed >= seconds and self._trials_left() > 0:
            return "deadline"
        return None

    def _trials_left(self) -> int:
        planned = self.budget.evaluations
        return MAX_BATCH if planned is None else planned - len(self.history)

    def _target_reached(self) -> bool:
        target = self.budget.target
        return target is not None and self.history.best_score >= target

    def _converged(self) -> bool:
        patience = self.budget.patience
        if patience != "auto":
            return patience is not None and self.history.stagnation >= patience
        self.why_converged = self.optimizer.converged
        return self.why_converged is not None

    # -- checkpoint ------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        self._checkpoint.save(self.history, self._state)
        path, size, n = self._checkpoint.place, self._checkpoint.size, len(self.history)
        self._say(lambda: CheckpointSaved(path, n, size))

    def _state(self) -> dict[str, Any]:
        return {
            "optimizer": self.optimizer.state(history=False),
            "flight": self._flight(),
            "elapsed": self.elapsed,
            "stop_reason": self.stop_reason,
        }

    def _restore(self) -> None:
        """Continue the search that the checkpoint holds, or save the beginning of a new one."""
        if self._checkpoint is None:
            return
        state = self._checkpoint.load(self.history)
        if state is None:
            self._save()
            return
        self.n_resumed = len(self.history)
        try:
            told = told_trials(self.history, self.objective)
            self.optimizer = restore_optimizer(self.optimizer.space, state["optimizer"], told)
            self._take_off(state["flight"])
            self._before = float(state["elapsed"])
        except (OptimizerStateError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the search in {self._checkpoint.place} cannot be continued: {error}"
            ) from error

    # -- events ----------------------------------------------------------------------------------------------

    def _say(self, make_event: Callable[[], Any]) -> None:
        if self._sink is not None:
            self._sink(make_event())

    def _report(self, *, force: bool = False) -> None:
        now = time.perf_counter()
        if self._sink is not None and (force or now - self._last_progress >= PROGRESS_INTERVAL):
            self._last_progress = now
            self._sink(self._progress())

    def _start_event(self) -> Started:
        optimizer, budget = self.optimizer, self.budget
        return Started(
            optimizer.name, optimizer.reason, budget.evaluations, budget.seconds, len(self.history)
        )

    def _progress(self) -> Progress:
        history, budget = self.history, self.budget
        session, elapsed = self.session_seconds, self.elapsed
        rate = (len(history) - self.n_resumed) / session if session > 0 else 0.0
        shares, left = [], []
        if budget.evaluations is not None:
            shares.append(len(history) / budget.evaluations)
            left += [max(0, budget.evaluations - len(history)) / rate] if rate else []
        if budget.seconds is not None:
            shares.append(elapsed / budget.seconds)
            left.append(max(0.0, budget.seconds - elapsed))
        return Progress(
            trials=len(history),
            failed=history.n_failed,
            infeasible=history.n_infeasible,
            evaluations=budget.evaluations,
            best_score=self._best_score(),
            best_parameters=None if history.best is None else history[history.best].parameters,
            front=None if history.front is None else len(history.front),
            best_metrics=self._best_metrics(),
            elapsed=elapsed,
            trials_per_second=rate,
            seconds_left=min(left, default=None),
            fraction=min(1.0, max(shares)) if shares else None,
        )

    def _best_score(self) -> float | None:
        history = self.history
        return None if history.best is None or history.front is not None else history.best_score

    def _best_metrics(self) -> dict[str, float] | None:
        """Return the objectives of the point chosen on the front; None without a front."""
        history = self.history
        if history.best is None or history.front is None:
            return None
        metrics = history[history.best].metrics
        return {name: metrics[name] for name in self.objective.metrics}


class ToldTrials(NamedTuple):
    """What an optimizer was told of some trials, as `restore_optimizer` takes it."""

    points: FloatArray
    scores: FloatArray
    constraints: FloatArray | None  # None when there are none
    seconds: FloatArray

    def tell(self, optimizer: Optimizer, start: int, stop: int) -> None:
        """Tell an optimizer those from `start` to `stop`."""
        rows = slice(start, stop)
        margins = None if self.constraints is None else self.constraints[rows]
        optimizer.tell_array(
            self.points[rows], self.scores[rows], constraints=margins, seconds=self.seconds[rows]
        )


def told_trials(history: TrialHistory, objective: Objective) -> ToldTrials:
    """Return what the optimizer of a search was told of the trials in its history."""
    scores, margins = history.scores, None
    if objective.constraints or history.front is not None:
        metrics = history.metrics
        table = MetricsTable(metrics, np.empty((len(metrics), 0, 3)), names=objective.names)
        scored = objective.score_table(table)
        # The score of a pruned trial is an estimate, which its metrics, of some folds, do not give.
        scores = scores if history.front is None else scored.score
        margins = scored.constraints if objective.constraints else None
    return ToldTrials(history.points, scores, margins, history.seconds)


def _check_directions(optimizer: Optimizer, objective: Objective) -> None:
    """Refuse an optimizer that was made for other scores than those of the objective."""
    if tuple(optimizer.directions) != objective.directions:
        raise TaskError(
            f"the optimizer has the directions {', '.join(optimizer.directions)}, but the objective "
            f"({objective}) gives {', '.join(objective.directions)}; make it with "
            f"create_optimizer(..., directions={list(objective.directions)})"
        )
