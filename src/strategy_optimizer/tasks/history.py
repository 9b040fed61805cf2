"""Every trial of a task in columns: parameters, metrics, block sums, score, state, seconds, reason.

Trials lie in pages of fixed size, so that growing never copies what is there. With five parameters a
trial takes 462 bytes: 100,000 of them 46 MB, most of it the block sums that validation needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.backtest.result import MetricsTable
from strategy_optimizer.errors import TaskError
from strategy_optimizer.objective import Objective, ParetoObjective, Scores
from strategy_optimizer.records import TRIAL_STATES, Trial
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.front import RunningFront

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
PAGE_ROWS = 4096
COMPLETED, FAILED, PRUNED = range(3)
_REASON_LENGTH = 500


@dataclass
class TrialColumns:
    """The columns of consecutive trials, as arrays of equal length.

    Attributes
    ----------
    points : array, shape (n, d)
        Natural units, categories by index, NaN where inactive.
    metrics : array, shape (n, metrics)
    sums : array, shape (n, B, 2)
        Sum and sum of squares of the returns in each block; their counts are the same for every trial.
    scores, seconds : array, shape (n,)
        The scores are NaN where the trial failed, and throughout with several objectives: these are metrics.
    states : array of int8, shape (n,)
        Index into `TRIAL_STATES`.
    feasible : array of bool, shape (n,)
        Whether the trial completed and the outcome constraints hold.
    reasons : array of int32, shape (n,)
        Index into the history's table of texts; 0 is none.
    asked : array of int32, shape (n,)
        Place in the order of asking, from 0.
    known : array of int32, shape (n,)
        Trials that the optimizer had been told when it was asked for this one. Both together are the log of the
        search: `replay` asks for the same candidates again.
    """

    points: FloatArray
    metrics: FloatArray
    sums: FloatArray
    scores: FloatArray
    seconds: FloatArray
    states: NDArray[np.int8]
    feasible: NDArray[np.bool_]
    reasons: NDArray[np.int32]
    asked: NDArray[np.int32]
    known: NDArray[np.int32]

    @classmethod
    def empty(cls, n: int, n_dims: int, n_blocks: int, n_metrics: int) -> TrialColumns:
        """Return uninitialised columns; memory is taken when rows are written."""
        return cls(
            np.empty((n, n_dims)),
            np.empty((n, n_metrics)),
            np.empty((n, n_blocks, 2)),
            np.empty(n),
            np.empty(n),
            np.empty(n, np.int8),
            np.empty(n, np.bool_),
            np.empty(n, np.int32),
            np.empty(n, np.int32),
            np.empty(n, np.int32),
        )


class TrialHistory:
    """The trials of one task, in the order of asking.

    Parameters
    ----------
    space : ParameterSpace
        Gives the columns of the points.
    n_blocks : int
        Parts of the window for the block sums.
    objective : Objective, optional
        With several objectives the history keeps their Pareto front, `front`. It also names the metrics; without
        one they are our own engine's.

    Notes
    -----
    The array properties (`points`, `scores`, ...) copy the column: take them once, not in a loop.
    """

    def __init__(self, space: ParameterSpace, n_blocks: int = 16, objective: Objective | None = None) -> None:
        self.space = space
        self.metric_names = METRICS if objective is None else objective.names
        self.n_blocks = n_blocks
        self.block_counts = np.zeros(n_blocks)
        self.n_failed = 0
        self.n_pruned = 0
        self.n_infeasible = 0
        self.front = RunningFront(objective) if isinstance(objective, ParetoObjective) else None
        self.best_score = -np.inf
        self._best: int | None = None
        self._pages: list[TrialColumns] = []
        self._n = 0
        self.authors: list[str | None] = []  # who proposed each trial; the loop says so at its end
        self._texts = [""]
        self._codes = {"": 0}

    def __len__(self) -> int:
        return self._n

    # -- writing ---------------------------------------------------------------------------------------------

    def append(
        self,
        points: FloatArray,
        table: MetricsTable,
        scores: Scores,
        seconds: float | FloatArray,
        *,
        asked: IntArray | None = None,
        known: int | IntArray = 0,
        pruned: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add evaluated trials.

        Parameters
        ----------
        points : array, shape (n, d)
        table : MetricsTable
        scores : Scores
        seconds : float or array, shape (n,)
            Of each of them.
        asked : array of int, shape (n,), optional
            Their places in the order of asking; by default they come in that order.
        known : int or array, shape (n,)
            How many trials the optimizer had been told when it was asked for them.
        pruned : array of bool, shape (n,), optional
            Which of them were stopped early; those never win.
        """
        n = len(points)
        failed = scores.failed
        states = failed.astype(np.int8) * FAILED
        if pruned is not None:
            states[pruned] = PRUNED
        feasible = np.asarray((scores.constraints >= 0.0).all(axis=1) & (states == COMPLETED))
        reasons = np.zeros(n, np.int32)
        for row, text in scores.reasons.items():
            reasons[row] = self.code_of(text)
        self._note_counts(table.blocks, failed)
        self.extend(
            TrialColumns(
                points,
                table.values,
                table.blocks[:, :, 1:],
                scores.score if scores.score.ndim == 1 else np.full(n, np.nan),
                np.broadcast_to(seconds, n).astype(np.float64),
                states,
                feasible,
                reasons,
                np.arange(self._n, self._n + n, dtype=np.int32) if asked is None else asked.astype(np.int32),
                np.broadcast_to(known, n).astype(np.int32),
            )
        )

    def extend(self, columns: TrialColumns) -> None:
        """Add rows whose reasons are codes of this history."""
        self._note_best(columns)
        n, done = len(columns.scores), 0
        while done < n:
            page, offset = self._page()
            taken = min(PAGE_ROWS - offset, n - done)
            for name, column in vars(columns).items():
                getattr(page, name)[offset : offset + taken] = column[done : done + taken]
            done += taken
            self._n += taken

    def columns(self, n: int) -> TrialColumns:
        """Return uninitialised columns for n trials."""
        return TrialColumns.empty(n, self.space.n_dims, self.n_blocks, len(self.metric_names))

    def _page(self) -> tuple[TrialColumns, int]:
        """Return the page with room, and its first free row."""
        offset = self._n % PAGE_ROWS
        if offset == 0:
            self._pages.append(self.columns(PAGE_ROWS))
        return self._pages[-1], offset

    def _note_best(self, columns: TrialColumns) -> None:
        """Count failures and keep the best feasible trial, the first of equals; or the front."""
        n_winning = int(np.count_nonzero(columns.feasible))
        self.n_failed += int(np.count_nonzero(columns.states == FAILED))
        self.n_pruned += int(np.count_nonzero(columns.states == PRUNED))
        self.n_infeasible += int(np.count_nonzero(columns.states == COMPLETED)) - n_winning
        if self.front is not None:
            self.front.add(columns.metrics, columns.feasible, self._n)
        elif n_winning:
            scores = np.where(columns.feasible, columns.scores, -np.inf)
            row = int(np.argmax(scores))
            if scores[row] > self.best_score:
                self._best, self.best_score = self._n + row, float(scores[row])

    def _note_counts(self, blocks: FloatArray, failed: NDArray[np.bool_]) -> None:
        """Keep the returns a block has; they depend on the window only, so one row says it for all."""
        if not self.block_counts.any() and not failed.all():
            self.set_counts(blocks[int(np.argmin(failed)), :, 0])

    def set_counts(self, counts: FloatArray) -> None:
        """Set the number of returns in each block."""
        self.block_counts = np.array(counts, np.float64)

    def code_of(self, text: str) -> int:
        """Return the code of a reason, new or known."""
        code = self._codes.get(text)
        if code is None:
            kept = text if len(text) <= _REASON_LENGTH else text[:_REASON_LENGTH] + "..."
            code = self._codes[text] = len(self._texts)
            self._texts.append(kept)
        return code

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def best(self) -> int | None:
        """Index of the trial that wins: the best score, or the point chosen on the front; None without one."""
        return self._best if self.front is None else self.front.chosen

    @property
    def stagnation(self) -> int:
        """Trials since the last one with a better score, or since the front gained one; all when none won."""
        last = self._best if self.front is None else self.front.newest
        return self._n - (0 if last is None else last + 1)

    @property
    def points(self) -> FloatArray:
        """Canonical points, (n, d)."""
        return self.column("points")

    @property
    def metrics(self) -> FloatArray:
        """Metrics in the order of `metric_names`, (n, metrics); NaN where the trial failed."""
        return self.column("metrics")

    @property
    def scores(self) -> FloatArray:
        """Scores, larger is better, (n,); NaN where the trial failed, and with several objectives."""
        return self.column("scores")

    @property
    def seconds(self) -> FloatArray:
        """Seconds a trial took, (n,)."""
        return self.column("seconds")

    @property
    def states(self) -> NDArray[np.int8]:
        """Index into `TRIAL_STATES`, (n,)."""
        return self.column("states")

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether the trial completed and satisfies the outcome constraints, (n,)."""
        return self.column("feasible")

    @property
    def blocks(self) -> FloatArray:
        """Count, sum and sum of squares of the returns in each block, (n, B, 3)."""
        blocks = np.empty((self._n, self.n_blocks, 3))
        blocks[:, :, 0] = self.block_counts
        blocks[:, :, 1:] = self.column("sums")
        return blocks

    @property
    def block_returns(self) -> FloatArray:
        """Sum of the returns in each block, (n, B)."""
        parts = [page.sums[rows, :, 0] for page, rows in self._spans(0, self._n)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_blocks))

    @property
    def reasons(self) -> list[str]:
        """Why each trial failed or is infeasible; empty text for the others."""
        return [self._texts[code] for code in self.column("reasons").tolist()]

    def column(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return one column's rows from `start` to `stop`, copied together."""
        stop = self._n if stop is None else stop
        parts = [getattr(page, name)[rows] for page, rows in self._spans(start, stop)]
        if not parts:
            parts = [getattr(self.columns(0), name)]
        joined: NDArray[Any] = np.concatenate(parts)
        return joined

    def rows(self, start: int, stop: int) -> TrialColumns:
        """Return the trials from `start` to `stop` as columns of their own."""
        names = TrialColumns.__dataclass_fields__
        return TrialColumns(**{name: self.column(name, start, stop) for name in names})

    def _spans(self, start: int, stop: int) -> Iterator[tuple[TrialColumns, slice]]:
        for i in range(start // PAGE_ROWS, -(-stop // PAGE_ROWS)):
            first = i * PAGE_ROWS
            yield self._pages[i], slice(max(start - first, 0), min(stop - first, PAGE_ROWS))

    def reason_text(self, code: int) -> str:
        """Return the text of a reason's code."""
        return self._texts[code]

    def __getitem__(self, index: int) -> Trial:
        """Return one trial; negative indices count from the end."""
        if not -self._n <= index < self._n:
            raise TaskError(f"there is no trial {index}; the history has {self._n}")
        at = index % self._n
        page, row = self._pages[at // PAGE_ROWS], at % PAGE_ROWS
        return Trial(
            number=at + 1,
            parameters=self.space.to_dicts(page.points[row : row + 1])[0],
            metrics=dict(zip(self.metric_names, page.metrics[row].tolist(), strict=True)),
            score=float(page.scores[row]),
            state=TRIAL_STATES[int(page.states[row])],
            feasible=bool(page.feasible[row]),
            seconds=float(page.seconds[row]),
            reason=self._texts[int(page.reasons[row])],
            author=self.authors[at] if self.authors else None,
        )

    def __iter__(self) -> Iterator[Trial]:
        return (self[i] for i in range(self._n))

    def failures(self) -> Mapping[str, int]:
        """Return how often each reason of a failure occurred, the most frequent first."""
        return self._tally(self.states == FAILED)

    def violations(self) -> Mapping[str, int]:
        """Return how many completed trials violate an outcome constraint, by the first that each violates."""
        return self._tally((self.states == COMPLETED) & ~self.feasible)

    def _tally(self, chosen: NDArray[np.bool_]) -> Mapping[str, int]:
        codes, counts = np.unique(self.column("reasons")[chosen], return_counts=True)
        pairs = zip(codes.tolist(), counts.tolist(), strict=True)
        return dict(Counter({self._texts[code]: count for code, count in pairs}).most_common())

    def improvements(self) -> list[int]:
        """Return the indices of the trials that were better than all feasible ones before them.

        With several objectives: of those on the Pareto front.
        """
        if self.front is not None:
            on_front: list[int] = np.sort(self.front.rows).tolist()
            return on_front
        scores = np.where(self.feasible, self.scores, -np.inf)
        before = np.maximum.accumulate(np.concatenate([[-np.inf], scores[:-1]]))
        improved: list[int] = np.flatnonzero(scores > before).tolist()
        return improved
