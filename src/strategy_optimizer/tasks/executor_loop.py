"""The loop over an executor: a trial is asked for as soon as one may run, and told when it has ended.

No trial waits for the slowest of a batch. Two orders are kept apart, that of asking and that of telling:

- *ordered* (`lookahead` trials): trial k is asked for when exactly the trials up to k - lookahead have been told, in
  the order of asking. What ends earlier waits to be told. The candidates do not depend on the number of workers,
  nor on which of them was faster.
- *free-running* (no lookahead): whatever has ended is told before each asking. The history notes for each trial its
  place in the order of asking and how many trials were known then; `replay` asks for the same candidates from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.errors import TaskError
from strategy_optimizer.objective import Objective
from strategy_optimizer.optimizer import Optimizer
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.records import Progress, Sink, StopReason
from strategy_optimizer.tasks.budget import Budget
from strategy_optimizer.tasks.checkpoint import SearchCheckpoint
from strategy_optimizer.tasks.engine_trial import TrialValue, no_sums
from strategy_optimizer.tasks.executors import Executor, Outcome
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.loop import PROGRESS_INTERVAL, Loop, told_trials
from strategy_optimizer.tasks.trial_cache import CachedTrial, TaskCache, TrialKeys

FloatArray = NDArray[np.float64]
DEFAULT_LOOKAHEAD = 8


@dataclass(frozen=True)
class Asked:
    """A trial that was asked for and not told: its point, (d,), and how many were known when it was asked for."""

    point: FloatArray
    known: int


@dataclass(frozen=True)
class Ended:
    """A trial that has ended and was not told.

    Its metrics in the order of the names, its block sums, why it failed or was pruned, and in the latter case the
    score that it would have had.
    """

    values: FloatArray
    blocks: FloatArray
    seconds: float
    reason: str = ""
    estimate: float = np.nan


class ExecutorLoop(Loop):
    """Runs a search whose trials an executor runs one by one.

    Parameters
    ----------
    executor : Executor
        Its function takes parameters and returns a `TrialValue`. The caller closes it.
    lookahead : int or None
        Trials that may be in flight without knowing each other, in the ordered mode; None runs free.
    cache, keys : TaskCache and TrialKeys, optional
        Trials that are known already are not run; both or none.
    optimizer, objective, budget, checkpoint, sink, n_blocks
        As for `Loop`.

    Raises
    ------
    TaskError
        When `lookahead` is less than 1.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        executor: Executor,
        objective: Objective,
        budget: Budget,
        *,
        lookahead: int | None = DEFAULT_LOOKAHEAD,
        cache: TaskCache | None = None,
        keys: TrialKeys | None = None,
        checkpoint: SearchCheckpoint | None = None,
        sink: Sink | None = None,
        n_blocks: int = 16,
    ) -> None:
        super().__init__(optimizer, objective, budget, checkpoint=checkpoint, sink=sink, n_blocks=n_blocks)
        if lookahead is not None and lookahead < 1:
            raise TaskError(f"lookahead is {lookahead}; expected at least 1, or None to run free")
        self.executor = executor
        self.lookahead = lookahead
        self.cache = cache
        self._keys = keys
        self._n_asked = 0
        self._asked: dict[int, Asked] = {}  # by number, from 0 in the order of asking
        self._ended: dict[int, Ended] = {}  # those of them that have ended, in the order of ending
        self._exhausted = False

    # -- one step ----------------------------------------------------------------------------------------------

    def _step(self) -> StopReason | None:
        """Ask for what may run now, wait for what ends."""
        reason = self._fill()
        if reason is not None:
            return reason
        if not self.executor.in_flight and not self._ended:
            return "exhausted" if self._exhausted else "budget"
        try:
            self._collect()
        except KeyboardInterrupt:  # of a trial in this thread
            return "interrupted"
        if self._checkpoint is not None and self._checkpoint.due():
            self._save()
        self._report()
        return None

    def _fill(self) -> StopReason | None:
        """Tell what may be told and ask until the workers are busy; return why the search ends, if it does."""
        while True:
            self._tell_ended()
            if self._target_reached():
                return "target"
            if not self._may_ask():
                return None
            if self._converged():
                return "converged"
            known = len(self.history)
            points = self.optimizer.ask_array(1)
            if not len(points):
                self._exhausted = True
                return None
            number, self._n_asked = self._n_asked, self._n_asked + 1
            self._asked[number] = Asked(points[0], known)
            self._start(number)

    def _may_ask(self) -> bool:
        """Return whether a worker is free, trials are left, and the next one knows what it has to know."""
        planned = self.budget.evaluations
        if self._exhausted or (planned is not None and self._n_asked >= planned):
            return False
        if self.executor.in_flight >= self.executor.capacity:
            return False
        return self.lookahead is None or len(self.history) >= self._wanted_known()

    def _wanted_known(self) -> int:
        """Return how many trials the next one to be asked for has to know, in the ordered mode."""
        return max(0, self._n_asked + 1 - (self.lookahead or 0))

    def _tell_ended(self) -> None:
        """Tell what has ended: all of it when running free, else in the order of asking and no more than is due."""
        if self.lookahead is None:
            numbers = list(self._ended)
        else:
            planned = self.budget.evaluations
            all_asked = self._exhausted or (planned is not None and self._n_asked >= planned)
            due = self._n_asked if all_asked else self._wanted_known()
            numbers = []
            while len(self.history) + len(numbers) < due and len(self.history) + len(numbers) in self._ended:
                numbers.append(len(self.history) + len(numbers))
        if numbers:
            self._tell(numbers)

    def _tell(self, numbers: list[int]) -> None:
        """Tell the optimizer the trials of these numbers, and note them in the history."""
        asked = [self._asked.pop(number) for number in numbers]
        ended = [self._ended.pop(number) for number in numbers]
        self._take_in(
            np.array([one.point for one in asked]),
            self._table(ended),
            np.array([one.seconds for one in ended]),
            asked=np.array(numbers, np.int32),
            known=np.array([one.known for one in asked], np.int32),
            estimates=np.array([one.estimate for one in ended]),
        )

    def _table(self, ended: list[Ended]) -> MetricsTable:
        return MetricsTable(
            np.array([one.values for one in ended]),
            self._comparable(np.array([one.blocks for one in ended])),
            {row: one.reason for row, one in enumerate(ended) if one.reason},
            self.objective.names,
        )

    def _comparable(self, blocks: FloatArray) -> FloatArray:
        """Return block sums, (n, B, 3), without those of another number of returns than the first trial that had any.

        Sums over other bars cannot be compared; validation says how many trials have none.
        """
        counts = blocks[:, :, 0]
        given = counts.any(axis=1)
        if given.any() and not self.history.block_counts.any():
            self.history.set_counts(counts[int(np.argmax(given))])
        blocks[given & (counts != self.history.block_counts).any(axis=1), :, 1:] = np.nan
        return blocks

    # -- running -----------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        """Let a trial run, unless it is known."""
        parameters = self._parameters(number)
        if self.cache is not None and self._keys is not None:
            trial = self.cache.get(self._keys.key(parameters))
            if trial is not None:
                self._ended[number] = self._of_cached(trial)
                return
        self.executor.submit(number, parameters)

    def _parameters(self, number: int) -> dict[str, Any]:
        return dict(self.optimizer.space.to_dicts(self._asked[number].point[None])[0])

    def _collect(self) -> None:
        """Wait for a trial to end, but not longer than until the next report or the deadline."""
        timeout = PROGRESS_INTERVAL
        if self.budget.seconds is not None:
            timeout = max(0.0, min(timeout, self.budget.seconds - self.elapsed))
        with self._guard.interruptible() if self.executor.runs_here else nullcontext():
            outcomes = self.executor.wait(timeout)
        for outcome in outcomes:
            self._note(outcome)

    def _note(self, outcome: Outcome) -> None:
        if self.cache is not None and self._keys is not None:
            self._keep(self._keys.key(self._parameters(outcome.number)), outcome)
        if outcome.failure is not None:
            self._ended[outcome.number] = self._failed(outcome.seconds, outcome.reason)
        else:
            self._ended[outcome.number] = self._of_value(outcome.value, outcome.seconds)

    def _keep(self, key: bytes, outcome: Outcome) -> None:
        """Give a run to the cache, which knows what is worth keeping; what raised would raise again."""
        if self.cache is None:
            return
        if outcome.failure is None:
            self.cache.put(key, outcome.value.cached(outcome.seconds))
        else:
            failed = CachedTrial({}, outcome.seconds, failure=outcome.failure, message=outcome.message)
            self.cache.put(key, failed)

    def _of_cached(self, trial: CachedTrial) -> Ended:
        if trial.failure is not None:
            return self._failed(trial.seconds, trial.reason)
        return self._of_value(TrialValue.of_cached(trial), trial.seconds)

    def _failed(self, seconds: float, reason: str) -> Ended:
        values = np.full(len(self.objective.names), np.nan)
        return Ended(values, no_sums(self.history.n_blocks), seconds, reason)

    def _of_value(self, value: TrialValue, seconds: float) -> Ended:
        reason = value.lacks(self.objective.metrics)
        return Ended(value.row(self.objective.names), value.blocks(self.history.n_blocks), seconds, reason)

    # -- saving ------------------------------------------------------------------------------------------------

    def _flight(self) -> dict[str, Any]:
        asked, ended = self._asked, self._ended
        n_dims, n_names = self.optimizer.space.n_dims, len(self.objective.names)
        return {
            "n_asked": self._n_asked,
            "numbers": list(asked),
            "points": encode_array(np.array([one.point for one in asked.values()]).reshape(-1, n_dims)),
            "known": [one.known for one in asked.values()],
            "ended": {
                "numbers": list(ended),
                "values": encode_array(np.array([one.values for one in ended.values()]).reshape(-1, n_names)),
                "blocks": encode_array(
                    np.array([one.blocks for one in ended.values()]).reshape(-1, 3 * self.history.n_blocks)
                ),
                "seconds": [one.seconds for one in ended.values()],
                "reasons": [one.reason for one in ended.values()],
                "estimates": encode_array(np.array([one.estimate for one in ended.values()])),
            },
        }

    def _take_off(self, flight: Mapping[str, Any]) -> None:
        """Go on: what had ended is not run again, the rest begins anew."""
        self._n_asked = int(flight["n_asked"])
        points, ended = decode_array(flight["points"]), flight["ended"]
        for number, point, known in zip(flight["numbers"], points, flight["known"], strict=True):
            self._asked[number] = Asked(point, known)
        values, blocks = decode_array(ended["values"]), decode_array(ended["blocks"])
        estimates = decode_array(ended["estimates"])
        for i, number in enumerate(ended["numbers"]):
            self._ended[number] = Ended(
                values[i],
                blocks[i].reshape(-1, 3),
                ended["seconds"][i],
                ended["reasons"][i],
                float(estimates[i]),
            )
        for number in self._asked:
            if number not in self._ended:
                self._start(number)

    def _wind_up(self) -> None:
        """Note what had ended when the search was stopped: it counts, though the optimizer will never know."""
        numbers = [number for number, one in self._ended.items() if np.isnan(one.estimate)]
        if not numbers:
            return
        asked = [self._asked.pop(number) for number in numbers]
        ended = [self._ended.pop(number) for number in numbers]
        table = self._table(ended)
        self.history.append(
            np.array([one.point for one in asked]),
            table,
            self.objective.score_table(table),
            np.array([one.seconds for one in ended]),
            asked=np.array(numbers, np.int32),
            known=np.array([one.known for one in asked], np.int32),
        )

    # -- events ------------------------------------------------------------------------------------------------

    def _progress(self) -> Progress:
        return replace(super()._progress(), usage=self.executor.usage(), waiting=len(self._ended))


def replay(optimizer: Optimizer, history: TrialHistory, objective: Objective) -> FloatArray:
    """Ask a fresh optimizer again as a history's log says; return its points, (n, d), in the order of asking.

    They are those of the search when nothing but what it was told had entered it.

    Parameters
    ----------
    optimizer : Optimizer
        Made as for the search, nothing asked yet.
    history : TrialHistory
        Of an `ExecutorLoop`, of which every trial that was asked for has been told.
    objective : Objective
    """
    asked, known = history.column("asked"), history.column("known")
    trials = told_trials(history, objective)
    proposed = np.full_like(trials.points, np.nan)
    told = 0
    for row in np.argsort(asked).tolist():
        if known[row] > told:
            trials.tell(optimizer, told, int(known[row]))
            told = int(known[row])
        proposed[asked[row]] = optimizer.ask_array(1)[0]
    return proposed
