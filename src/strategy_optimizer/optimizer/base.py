"""The border every search algorithm shares: ask for points, tell their scores, save and restore the state.

An optimizer proposes and learns; it knows nothing of trading. This module owns all that does not depend on
the algorithm: the log of trials, pending points, duplicates, failures, exhaustion, the winner and the state.
An algorithm adds three things: how rows are proposed, what is learnt from told rows, and what it needs to
save of itself.

Notation
--------
point
    (n_dims,) float64, natural units, categories by index, NaN where inactive ("canonical").
row
    A *dense* point (every gene has a value, inactive ones too), followed by the algorithm's own notes about
    it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.harvest import Harvest
from strategy_optimizer.optimizer.history import FloatArray, KeyArray, Outcomes, Told, TrialLog
from strategy_optimizer.optimizer.lattice import Sweep
from strategy_optimizer.optimizer.ledger import Ledger
from strategy_optimizer.optimizer.pareto.front import ParetoFront
from strategy_optimizer.optimizer.points import with_defaults
from strategy_optimizer.optimizer.simple_loop import EvaluateFunction, ProgressCallback, spend_budget
from strategy_optimizer.optimizer.state import decode_array, decode_rng, encode_array, encode_rng
from strategy_optimizer.optimizer.stopping import why_converged
from strategy_optimizer.optimizer.told_points import canonical_points, check_foreign, drop_outside
from strategy_optimizer.plain import plain_settings
from strategy_optimizer.space import ParameterSpace

Scores: TypeAlias = Sequence[float | None] | Sequence[Sequence[float | None] | None] | FloatArray

STATE_FORMAT = 4
_SWEEP_CHUNK = 4096
_MAX_ROUNDS = 6  # proposals in a row before the remaining points are looked for systematically


class Optimizer(ABC):
    """Ask for candidates, tell their scores.

    Parameters
    ----------
    space : ParameterSpace
        Where to search.
    budget : int
        Trials that are planned. A hint for choosing populations and grids, not a limit.
    seed : int
        The same seed and the same told scores give the same candidates.
    directions : None, str or sequence of str
        ``"maximize"`` (default) or ``"minimize"``, one per objective; scores are told raw.
    repeats : int
        How many trials one point may have; 1 for deterministic objectives.
    settings : mapping
        The algorithm's own settings, plain JSON values; kept for the state.
    """

    name: ClassVar[str]
    n_notes: ClassVar[int] = 0  # columns which the algorithm adds to the dense points in its rows
    several: ClassVar[bool] = False  # whether it can search with several objectives

    def __init__(
        self,
        space: ParameterSpace,
        *,
        budget: int = 200,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.space = checks.as_space(space)
        self.budget = checks.as_count(budget, "budget")
        self.seed = checks.as_count(seed, "seed", least=0)
        self.repeats = checks.as_count(repeats, "repeats")
        self.settings = plain_settings(settings or {})
        self.reason = f"{self.name} was asked for"
        self.directions = checks.as_directions(directions, several=self.several, name=self.name)
        self._rng = np.random.Generator(np.random.PCG64(self.seed))
        self._ledger = Ledger(space, space.n_dims + self.n_notes, self.repeats, self.n_objectives)
        self._free = space.unconditional()
        self._sweep = Sweep(self._free, self.repeats)
        self._queue = np.empty((0, space.n_dims))  # dense points to be asked before the algorithm's own
        self._exhausted = False
        self._likeliest = (0, 0)  # trials told, and the row of the one that a model thinks best

    # -- what an algorithm adds

    @abstractmethod
    def _propose(self, n: int, attempt: int) -> FloatArray:
        """Return up to `n` rows, (m, n_dims + n_notes), within bounds and on steps.

        Rows that were tried or are infeasible are dropped, and the missing ones asked for with `attempt` + 1.
        """

    @abstractmethod
    def _learn(self, told: Told) -> None:
        """Take in told rows; the notes of a point that this algorithm did not propose are NaN."""

    @abstractmethod
    def _save(self) -> dict[str, Any]:
        """Return what the algorithm must remember, as JSON values."""

    @abstractmethod
    def _load(self, data: dict[str, Any]) -> None:
        """Take back what :meth:`_save` returned."""

    def join(self, leader: Optimizer) -> None:
        """Propose for another optimizer, which makes the first design, asks and tells, and share its history."""
        self._ledger = leader._ledger

    @property
    def batch_size(self) -> int:
        """A good number of points to ask for at once when trials are cheap."""
        return min(256, self.budget)

    # -- asking

    def ask(self, n: int = 1) -> list[dict[str, Any]]:
        """Return up to `n` new candidates as dicts of plain Python values.

        Fewer, then none, come back when no untried point of the space is left.
        """
        return self.space.to_dicts(self.ask_array(n))

    def ask_array(self, n: int) -> FloatArray:
        """Return up to `n` new candidates as canonical points, (m, n_dims)."""
        n = checks.as_count(n, "n", least=0)
        if n == 0:
            return np.empty((0, self.space.n_dims))
        rows, points, keys = self._collect(n)
        self._ledger.issue(rows, keys)
        self._exhausted = len(rows) < n
        return points

    def _collect(self, n: int) -> tuple[FloatArray, FloatArray, list[int]]:
        """Gather `n` rows: queued ones, the algorithm's, fresh samples, then what is left of the space."""
        harvest = Harvest(self.space, self._ledger.tried, n)
        if len(self._queue):
            harvest.offer(self._take_queue(n))
        for attempt in range(_MAX_ROUNDS):
            if harvest.missing == 0:
                break
            harvest.offer(self._propose(harvest.missing, attempt))
        if harvest.missing:
            harvest.offer(self._sample(4 * harvest.missing))
        self._sweep_into(harvest)
        return harvest.result()

    def _sweep_into(self, harvest: Harvest) -> None:
        """Look for untried points of a finite space, one after the other."""
        while harvest.missing:
            start = self._sweep.position
            left = self._sweep.next(_SWEEP_CHUNK)
            if left is None:
                return
            harvest.offer(self._with_notes(left))
            if harvest.missing == 0:
                self._sweep.position = start  # there may be more in this chunk

    def _sample(self, n: int, method: str = "uniform") -> FloatArray:
        """Return `n` fresh feasible rows; inactive genes take random values of their own range."""
        return self._with_notes(self._densify(self.space.sample(n, self._rng, method), random=True))

    def _take_queue(self, n: int) -> FloatArray:
        taken, self._queue = self._queue[:n], self._queue[n:]
        return self._with_notes(taken)

    def _with_notes(self, dense: FloatArray) -> FloatArray:
        """Append empty notes to dense points."""
        return np.hstack([dense, np.full((len(dense), self.n_notes), np.nan)]) if self.n_notes else dense

    def _densify(self, points: FloatArray, *, random: bool = False) -> FloatArray:
        """Give inactive genes a value: a random one, or the default."""
        inactive = np.isnan(points)
        if not random or not inactive.any():
            return with_defaults(self.space, points)
        return np.where(inactive, self._free.from_unit(self._rng.random(points.shape)), points)

    # -- telling

    def tell(
        self,
        params_list: Sequence[Mapping[str, Any]],
        scores: Scores,
        *,
        constraints: Any = None,
        std_errors: Any = None,
        seconds: Any = None,
        warm_start: bool = False,
    ) -> None:
        """Report the scores of candidates, in any order and grouping, asked before or not.

        Parameters
        ----------
        params_list : sequence of dict
            The candidates. Each is left unchanged.
        scores : sequence of float or None
            One per candidate; None, NaN and infinities are failed trials: remembered, never winning. With m
            directions (n, m), in their order; a trial fails when one of its scores does, and may be told as
            a single None.
        constraints : array-like, optional
            (n, k) outcome constraints, feasible where >= 0. Their violations are added up, so scale them
            alike.
        std_errors, seconds : array-like, optional
            Standard errors, shaped like the scores, and (n,) durations of the trials; kept in the log. A score
            without a standard error counts as exact. Where the best one has some, the winner is the trial that a
            model of all of them thinks best.
        warm_start : bool
            The candidates come from an earlier task: those outside the space are no error but are left out,
            with a warning.

        Raises
        ------
        SpaceError
            A candidate lies outside the space and `warm_start` is false. Nothing was taken in.
        SearchError
            Lengths or shapes do not match. Nothing was taken in.
        """
        params_list = [params_list] if isinstance(params_list, Mapping) else list(params_list)
        outcomes = self._checked(len(params_list), scores, constraints, std_errors, seconds)
        if warm_start:
            params_list, outcomes = drop_outside(self.space, params_list, outcomes)
        points = canonical_points(self.space, params_list)
        self._take_in(points, self.space.keys(points), outcomes)

    def tell_array(
        self,
        points: FloatArray,
        scores: Scores,
        *,
        constraints: Any = None,
        std_errors: Any = None,
        seconds: Any = None,
        warm_start: bool = False,
    ) -> None:
        """Report the scores of points, (n, n_dims); otherwise as :meth:`tell`."""
        points = checks.as_points(points, self.space.n_dims)
        outcomes = self._checked(len(points), scores, constraints, std_errors, seconds)
        keys = self.space.keys(points)
        pending = self._ledger.pending
        foreign = np.flatnonzero([key not in pending for key in keys.tolist()])
        if len(foreign):
            points, outcomes = check_foreign(self.space, points.copy(), foreign, outcomes, warm_start)
            keys = self.space.keys(points)
        self._take_in(points, keys, outcomes)

    def _checked(self, n: int, scores: Any, constraints: Any, std_errors: Any, seconds: Any) -> Outcomes:
        return checks.as_outcomes(
            scores,
            constraints,
            std_errors,
            seconds,
            n=n,
            directions=self.directions,
            n_constraints=self.log.n_constraints,
        )

    def _take_in(self, points: FloatArray, keys: KeyArray, outcomes: Outcomes) -> None:
        """Log checked trials and let the algorithm learn from them."""
        if len(points) == 0:
            return
        told = self._ledger.settle(points, keys, outcomes)
        unasked = told.tickets < 0
        if unasked.any():
            told.rows[unasked, : self.space.n_dims] = self._densify(points[unasked])
        self._learn(told)

    def suggest(self, points: Mapping[str, Any] | Sequence[Mapping[str, Any]] | FloatArray) -> None:
        """Queue points to be asked before the algorithm's own.

        Parameters
        ----------
        points : dict, sequence of dict or ndarray
            Candidates inside the bounds and on the steps, or points, (n, n_dims), which are moved there. Those that
            violate a constraint or were tried are passed over.
        """
        listed: Any = [points] if isinstance(points, Mapping) else points
        if isinstance(listed, Sequence) and all(isinstance(each, Mapping) for each in listed):
            points = self.space.from_dicts(listed).reshape(-1, self.space.n_dims)
        dense = self.space.snap(self._densify(checks.as_points(points, self.space.n_dims)))
        self._queue = np.vstack([self._queue, dense])

    # -- reading

    @property
    def n_objectives(self) -> int:
        """Scores per trial, m."""
        return len(self.directions)

    @property
    def log(self) -> TrialLog:
        """Every told trial, scores larger-is-better."""
        return self._ledger.log

    @property
    def n_told(self) -> int:
        """Trials told so far, failed ones included."""
        return len(self.log)

    @property
    def n_failed(self) -> int:
        """Trials told as failed."""
        return int(self.log.failed.sum())

    @property
    def n_asked(self) -> int:
        """Points handed out so far."""
        return self._ledger.n_asked

    @property
    def n_pending(self) -> int:
        """Points handed out and not told yet."""
        return len(self._ledger.pending)

    @property
    def finished(self) -> str | None:
        """``"exhausted"`` when the last ask found no further untried point, else None."""
        return "exhausted" if self._exhausted else None

    def _best_row(self) -> int | None:
        """Return the row of the log that wins; None before a trial completed feasibly.

        Where trials are noisy it is the one that a model thinks best, not the luckiest.
        """
        return self._likeliest_row() if self._asks_a_model else self._ledger.best_row

    @property
    def _asks_a_model(self) -> bool:
        """Whether a model says what the trials are worth: not where nobody told how noisy they are.

        Then the means of repeated points compete.
        """
        is_told = self.n_objectives == 1 and bool((self.log.std_errors > 0.0).any())
        return is_told and self._noisy and int(np.isfinite(self._ledger.competing_scores()).sum()) >= 2

    @property
    def _noisy(self) -> bool:
        """Whether the best score may be luck: points may be repeated, or it was told with a standard error.

        Trials that were stopped early are told with one and are never the best: the search stays one of exact trials.
        """
        uncertain = self.log.std_errors > 0.0
        if self.repeats > 1 or not uncertain.any():
            return self.repeats > 1
        best = self.log.winning_scores
        if self.n_objectives > 1 or not np.isfinite(best).any():
            return True
        return bool(uncertain[best == best.max()].any())

    def _likeliest_row(self) -> int:
        """Return the row of the trial, of those that may win, which a model of all trials thinks best."""
        if self._likeliest[0] != self.n_told:
            believed = np.where(np.isfinite(self._ledger.competing_scores()), self._believed_scores(), np.nan)
            best = np.flatnonzero(believed == np.nanmax(believed))
            # Of equals the same one, in whatever order they were told.
            self._likeliest = (self.n_told, int(best[np.argmin(self.log.keys[best])]))
        return self._likeliest[1]

    def _believed_scores(self) -> FloatArray:
        """Return what a model believes of each trial's score, (n,); NaN for what it leaves out, far from the best."""
        from strategy_optimizer.optimizer.bayes.learning import Learning  # not at import: it brings SciPy

        return Learning(self.space, self._free, self.n_objectives).believed_scores(self.log)

    @property
    def best_point(self) -> FloatArray | None:
        """The best completed, feasible trial's point, (n_dims,); None before there is one.

        With several objectives the knee of the Pareto front, see :func:`~pareto.choice.knee_point`.
        """
        row = self._best_row()
        return None if row is None else self.log.points[row].copy()

    @property
    def best_params(self) -> dict[str, Any] | None:
        """The parameters of :attr:`best_point`; None before there is one."""
        point = self.best_point
        return None if point is None else dict(self.space.to_dicts(point[None])[0])

    @property
    def best_score(self) -> Any:
        """The best score, as it was told (the mean for a repeated point); None before there is one.

        A float; with several objectives a tuple of floats, the scores of :attr:`best_point`.
        """
        row = self._best_row()
        if row is None:
            return None
        raw = (self._raw(self._ledger.competing_scores()[row])).tolist()
        return raw[0] if self.n_objectives == 1 else tuple(raw)

    @property
    def pareto_front(self) -> ParetoFront:
        """All points whose completed, feasible trials no other's beat, with raw scores, each point once.

        The best in the first objective comes first; the order does not depend on the order of telling. With
        one objective: the best one, and all that equal it.
        """
        rows = self._ledger.front_rows
        scores = self._raw(self._ledger.competing_scores()[rows].reshape(-1, self.n_objectives))
        return ParetoFront(self.space.to_dicts(self.log.points[rows]), scores, rows, self.directions)

    @property
    def authors(self) -> list[str | None]:
        """Who proposed each told trial, in the order of telling; None for nobody."""
        return [self.name] * self.n_told

    def report(self) -> dict[str, Any]:
        """Return what the algorithm can say of this search beside its result, as JSON values."""
        return {}

    def _raw(self, scores: FloatArray) -> FloatArray:
        """Turn larger-is-better scores, (..., m), into the caller's directions."""
        return scores * checks.signs_of(self.directions)

    @property
    def stagnation(self) -> int:
        """Trials told since the best one was; all of them when none succeeded.

        With several objectives: since the last one that is on the Pareto front.
        """
        row = self._best_row()
        if row is not None and self.n_objectives > 1:
            row = int(self._ledger.front_rows.max())
        return self.n_told if row is None else self.n_told - 1 - row

    @property
    def converged(self) -> str | None:
        """Why more search is not worth it, in a sentence; None while it may be. See :mod:`~optimizer.stopping`."""
        return why_converged(self.log.winning_scores)

    # -- the one-call loop

    def optimize(
        self,
        evaluate_func: EvaluateFunction,
        progress_callback: ProgressCallback | None = None,
    ) -> tuple[dict[str, Any], Any]:
        """Spend the budget on `evaluate_func` and return the best parameters and their score.

        Parameters
        ----------
        evaluate_func : callable
            Takes parameters, returns a score, or with several objectives one per direction. An exception,
            None or a non-finite score is a failed trial.
        progress_callback : callable, optional
            Called after each batch with its number (from 1), the best score and the best parameters so far
            (NaN and ``{}`` before a trial succeeded).

        Raises
        ------
        SearchError
            Every trial failed; the message has the first failure.
        """
        return spend_budget(self, evaluate_func, progress_callback)

    # -- state

    def state(self, history: bool = True) -> dict[str, Any]:
        """Return everything needed to continue with the same candidates, as JSON values.

        Parameters
        ----------
        history : bool
            False leaves the told trials out, which keeps the state small; the caller has them in its own log
            and passes them to :func:`restore_optimizer`.
        """
        return {
            "format": STATE_FORMAT,
            "optimizer": self.name,
            "space": self.space.digest,
            "settings": self.settings,
            "common": {
                "budget": self.budget,
                "seed": self.seed,
                "repeats": self.repeats,
                "directions": self.directions[0] if self.n_objectives == 1 else list(self.directions),
            },
            "reason": self.reason,
            "rng": encode_rng(self._rng),
            "exhausted": self._exhausted,
            "sweep": self._sweep.position,
            "queue": encode_array(self._queue),
            "algorithm": self._save(),
            "ledger": self._ledger.save(history),
        }

    def restore(self, state: Mapping[str, Any], history: tuple[Any, ...] | None = None) -> None:
        """Take over a state that was checked by :func:`restore_optimizer`, which callers use instead."""
        self._ledger.load(state["ledger"], None if history is None else self._checked_history(history))
        self._rng = decode_rng(state["rng"])
        self._exhausted = bool(state["exhausted"])
        self._sweep.position = int(state["sweep"])
        self._queue = decode_array(state["queue"])
        self.reason = str(state["reason"])
        self._load(state["algorithm"])

    def _checked_history(self, history: tuple[Any, ...]) -> tuple[FloatArray, Outcomes]:
        points = np.asarray(history[0], np.float64).reshape(-1, self.space.n_dims)
        constraints, seconds, std_errors = (*history[2:], None, None, None)[:3]
        return points, self._checked(len(points), history[1], constraints, std_errors, seconds)
