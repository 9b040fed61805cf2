"""The loop whose trials run fold by fold, and are stopped when they cannot catch up.

A worker runs one fold at a time. After each the trial races against the best complete trial and is compared with all
others, among those that were known when it was asked for: so in the ordered mode the search does not depend on the
number of workers either.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import numpy as np

from strategy_optimizer.engines.folded import combine
from strategy_optimizer.errors import TaskError
from strategy_optimizer.objective import ParetoObjective
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.tasks.engine_trial import TrialValue
from strategy_optimizer.tasks.executor_loop import Ended, ExecutorLoop
from strategy_optimizer.tasks.executors import Outcome
from strategy_optimizer.tasks.pruning import FoldPruner, Race, padded
from strategy_optimizer.tasks.trial_cache import TrialKeys


class FoldedLoop(ExecutorLoop):
    """Runs a search whose trials consist of folds.

    Parameters
    ----------
    pruner : FoldPruner
    fold_keys : sequence of TrialKeys
        Keys of each fold's runs, for the cache.
    **options
        Those of `ExecutorLoop`. The executor's function takes ``(parameters, fold)``.

    Attributes
    ----------
    n_folds_run, n_folds_saved : int
        Folds that were run or found in the cache, and those that pruned trials were spared, this session.
    seconds_saved : float
        What the latter would have taken of the workers' time, each as long as the folds of its trial before it.

    Raises
    ------
    TaskError
        With several objectives: a trial that is behind in one may be ahead in another.
    """

    def __init__(self, *arguments: Any, pruner: FoldPruner, fold_keys: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self.objective, ParetoObjective):
            raise TaskError(
                f"trials are pruned by one score, but the objective has several ({self.objective}); "
                "give one, or run all folds of each (prune=False, --prune off)"
            )
        self.pruner = pruner
        self.n_folds_run = self.n_folds_saved = 0
        self.seconds_saved = 0.0
        self._fold_keys: tuple[TrialKeys, ...] = tuple(fold_keys)
        self._runs: dict[int, list[TrialValue]] = {}  # of trials in flight, in the order of running
        self._seconds: dict[int, float] = {}
        self._races: dict[int, Race | None] = {}  # of trials in flight
        # Scores of trials that have ended and not failed, in the order of running. Of those that were told, and their
        # rows in the history; and of those that were not, by number.
        self._told: list[list[float]] = []
        self._rows: list[int] = []
        self._untold: dict[int, list[float]] = {}
        self._race_at: tuple[int, Race | None] = (-1, None)

    # -- running -----------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        self._runs[number], self._seconds[number] = [], 0.0
        self._races[number] = self._race(self._asked[number].known)
        self._next_fold(number)

    def _race(self, known: int) -> Race | None:
        """Return what judges trials that know the first `known` ones; None while none of these may win."""
        if self._race_at[0] != known:
            ended = self._told[: bisect_left(self._rows, known)]
            feasible = self.history.column("feasible", 0, known)  # no trial that was stopped is
            winning = [scores for scores, row in zip(ended, self._rows, strict=False) if feasible[row]]
            best = max(winning, key=sum, default=None)
            race = None if best is None else self.pruner.race(best, ended)
            self._race_at = (known, race)
        return self._race_at[1]

    def _next_fold(self, number: int) -> None:
        """Let the next fold of a trial run, unless it is known."""
        parameters = self._parameters(number)
        while True:
            fold = self.pruner.order[len(self._runs[number])]
            trial = None if self.cache is None else self.cache.get(self._fold_keys[fold].key(parameters))
            if trial is None:
                self.executor.submit(self._ticket(number), (parameters, fold))
                return
            if trial.failure is not None:
                self._fail(number, trial.seconds, trial.reason)
                return
            if not self._take_fold(number, TrialValue.of_cached(trial), trial.seconds):
                return

    def _ticket(self, number: int) -> int:
        """Return a number of the executor for the next fold of a trial."""
        return number * self.pruner.n_folds + len(self._runs[number])

    def _note(self, outcome: Outcome) -> None:
        number = outcome.number // self.pruner.n_folds
        fold = self.pruner.order[len(self._runs[number])]
        self._keep(self._fold_keys[fold].key(self._parameters(number)), outcome)
        if outcome.failure is not None:
            self._fail(number, outcome.seconds, outcome.reason)
        elif self._take_fold(number, outcome.value, outcome.seconds):
            self._next_fold(number)

    def _take_fold(self, number: int, value: TrialValue, seconds: float) -> bool:
        """Take a finished fold in; return whether the trial goes on."""
        runs = self._runs[number]
        runs.append(value)
        self._seconds[number] += seconds
        self.n_folds_run += 1
        scores = [self._fold_score(run) for run in runs]
        is_finite = all(np.isfinite(scores))
        if len(runs) == self.pruner.n_folds:
            if is_finite:
                self._untold[number] = scores
            self._end(number, self._so_far(number))
            return False
        race = self._races[number]
        reason = race.verdict(scores) if race is not None and is_finite else None
        if race is None or reason is None:
            return True
        self._untold[number] = scores
        n_saved = self.pruner.n_folds - len(runs)
        self.n_folds_saved += n_saved
        self.seconds_saved += n_saved * self._seconds[number] / len(runs)
        self._end(number, self._so_far(number, reason, race.estimate(scores).score))
        return False

    def _fail(self, number: int, seconds: float, reason: str) -> None:
        """End a trial whose fold failed after so many seconds."""
        self._end(number, self._failed(self._seconds[number] + seconds, reason))

    def _fold_score(self, value: TrialValue) -> float:
        return self.objective.composite(dict.fromkeys(self.objective.names, np.nan) | dict(value.metrics))

    def _so_far(self, number: int, reason: str = "", estimate: float = np.nan) -> Ended:
        """Return what the folds that were run add up to."""
        metrics = combine([run.metrics for run in self._runs[number]], self.pruner.n_folds)
        value = TrialValue(metrics)
        reason = reason or value.lacks(self.objective.metrics)
        return Ended(
            value.row(self.objective.names),
            value.blocks(self.history.n_blocks),
            self._seconds[number],
            reason,
            estimate,
        )

    def _end(self, number: int, ended: Ended) -> None:
        self._ended[number] = ended
        for kept in (self._runs, self._seconds, self._races):
            del kept[number]

    # -- telling -----------------------------------------------------------------------------------------------

    def _tell(self, numbers: list[int]) -> None:
        first = len(self.history)
        super()._tell(numbers)
        for row, number in enumerate(numbers, first):
            scores = self._untold.pop(number, None)
            if scores is not None:
                self._told.append(scores)
                self._rows.append(row)

    # -- saving ------------------------------------------------------------------------------------------------

    def _flight(self) -> dict[str, Any]:
        n = self.pruner.n_folds
        return super()._flight() | {
            "told": encode_array(padded(self._told, n)),
            "rows": self._rows,
            "untold": {
                "numbers": list(self._untold),
                "scores": encode_array(padded(list(self._untold.values()), n)),
            },
        }

    def _take_off(self, flight: Mapping[str, Any]) -> None:
        untold = flight["untold"]
        self._told = _ragged(flight["told"])
        self._rows = [int(row) for row in flight["rows"]]
        self._untold = dict(zip(untold["numbers"], _ragged(untold["scores"]), strict=True))
        super()._take_off(flight)


def _ragged(encoded: dict[str, Any]) -> list[list[float]]:
    """Return the scores that `padded` filled up with NaN."""
    return [row[~np.isnan(row)].tolist() for row in decode_array(encoded)]
