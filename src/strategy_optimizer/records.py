"""Frozen values that travel between the layers: one trial, and the events of a running search.

A search tells its events to a sink, any callable that takes one event. It knows neither a terminal nor a
database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

TrialState: TypeAlias = Literal["completed", "failed", "pruned"]
TRIAL_STATES: tuple[TrialState, ...] = ("completed", "failed", "pruned")

StopReason: TypeAlias = Literal[
    "budget", "converged", "target", "deadline", "exhausted", "cancelled", "interrupted"
]
STOP_REASONS: Mapping[StopReason, str] = {
    "budget": "the planned number of trials was made",
    "converged": "the search had stopped improving (`patience`)",
    "target": "the target score was reached",
    "deadline": "the time was up",
    "exhausted": "the space has no untried point left",
    "cancelled": "cancel() was called",
    "interrupted": "Ctrl-C",
}


@dataclass(frozen=True)
class Trial:
    """One evaluated candidate.

    Attributes
    ----------
    number : int
        Counted from 1 in the order of asking.
    parameters : dict
        Plain Python values; an inactive parameter is absent.
    metrics : dict
        The backtest's metrics; NaN where the trial failed.
    score : float
        Larger is better; NaN where the trial failed, and with several objectives: these are metrics.
    state : {"completed", "failed", "pruned"}
    feasible : bool
        Whether it completed and the outcome constraints hold; only such a trial can win.
    seconds : float
        Wall time of the group that it was evaluated in, divided by the trials of the group.
    reason : str
        Why it failed, or which outcome constraint it violates; else empty.
    author : str or None
        The algorithm that proposed it; None for nobody (the first design, a point of the caller) and while the
        search runs.
    """

    number: int
    parameters: dict[str, Any]
    metrics: dict[str, float]
    score: float
    state: TrialState
    feasible: bool
    seconds: float
    reason: str = ""
    author: str | None = None


@dataclass(frozen=True)
class Started:
    """The search begins, or goes on after `trials` earlier ones."""

    optimizer: str
    optimizer_reason: str
    evaluations: int | None
    seconds: float | None
    trials: int = 0


@dataclass(frozen=True)
class Usage:
    """What an executor uses now, and what happened to its workers so far.

    Attributes
    ----------
    workers, busy : int
        Workers that are there, and those that run a trial.
    memory : int
        Resident bytes of all workers and of what they started.
    cpu_seconds : float
        Processor time of the workers so far.
    restarted : int
        Workers that were replaced: killed for a limit, died, or recycled because they had grown.
    retried : int
        Runs that were lost with a worker and begun again.
    """

    workers: int
    busy: int
    memory: int = 0
    cpu_seconds: float = 0.0
    restarted: int = 0
    retried: int = 0


@dataclass(frozen=True)
class Progress:
    """How far the search is; at most about ten of them a second.

    Attributes
    ----------
    trials, failed, infeasible : int
        Made so far; those that failed; those that completed but violate an outcome constraint.
    evaluations : int or None
        Planned trials.
    best_score : float or None
        None before a feasible trial completed, and with several objectives.
    best_parameters : dict or None
        Of the best trial; with several objectives of the point chosen on the Pareto front.
    elapsed : float
        Seconds spent searching, earlier sessions of a resumed search included.
    trials_per_second : float
        Over this session; 0 before the first trial.
    seconds_left : float or None
        Estimated until the budget of trials or time is spent; None when neither is set.
    fraction : float or None
        Share of the budget that is spent, 0 to 1.
    front : int or None
        Points on the Pareto front; None with one objective.
    best_metrics : dict or None
        The objectives of `best_parameters`; None with one objective.
    usage : Usage or None
        What the workers use, where trials run in an executor.
    waiting : int
        Trials that have ended, and wait for earlier ones before the optimizer learns of them.
    """

    trials: int
    failed: int
    infeasible: int
    evaluations: int | None
    best_score: float | None
    best_parameters: Mapping[str, Any] | None
    elapsed: float
    trials_per_second: float
    seconds_left: float | None
    fraction: float | None
    front: int | None = None
    best_metrics: Mapping[str, float] | None = None
    usage: Usage | None = None
    waiting: int = 0


@dataclass(frozen=True)
class CheckpointSaved:
    """Everything up to trial `trials` is on disk: `size` bytes in the folder `path`."""

    path: str
    trials: int
    size: int


@dataclass(frozen=True)
class Finished:
    """The search is over; what follows is the check of the winner, if there is one."""

    stop_reason: StopReason
    trials: int
    best_score: float | None
    elapsed: float


@dataclass(frozen=True)
class TryingOut:
    """An engine runs the parameters tried first, before the search: what fails there fails in every trial.

    `label` names the engine. It is given up after `seconds`; None where nobody knows.
    """

    label: str
    seconds: float | None

    def text(self, elapsed: float) -> str:
        """Say what is waited for.

        >>> TryingOut("HTTP: http://127.0.0.1:8765", 120.0).text(15.2)
        'waiting for the first backtest of HTTP: http://127.0.0.1:8765 for 15 s, at most 120 s'
        """
        most = "" if self.seconds is None else f", at most {self.seconds:.3g} s"
        return f"waiting for the first backtest of {self.label} for {elapsed:.0f} s{most}"


@dataclass(frozen=True)
class Reproducing:
    """The winner is run again: by the reference simulator over `bars` bars, of which a million take it some 12 s.

    For the engine that ran its trials `bars` is None: nobody knows how many it has.
    """

    bars: int | None


@dataclass(frozen=True)
class Validating:
    """The statistics of the whole search begin, over so many trials."""

    trials: int


Event: TypeAlias = TryingOut | Started | Progress | CheckpointSaved | Finished | Reproducing | Validating
Sink: TypeAlias = Callable[[Event], None]
