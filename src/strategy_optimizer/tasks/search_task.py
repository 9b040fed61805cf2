"""What a search is whoever runs its trials: its settings, its optimizer, its history, and how it is cancelled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from strategy_optimizer.errors import TaskError
from strategy_optimizer.objective import Objective, ParetoObjective
from strategy_optimizer.optimizer import Optimizer, create_optimizer
from strategy_optimizer.records import Sink, StopReason
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.budget import Budget, check_count
from strategy_optimizer.tasks.checkpoint import Checkpoint, SearchCheckpoint
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.loop import Loop

CheckpointPlace: TypeAlias = str | Path | Callable[[Mapping[str, Any]], SearchCheckpoint]
"""A folder; or what opens a checkpoint elsewhere, for a search of the identity that it gets."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What a search does besides what it searches.

    Parameters
    ----------
    optimizer : str
        A name that `create_optimizer` knows.
    optimizer_settings : mapping
        Its own settings.
    budget : Budget
    seed : int
    holdout : float
        Share of the data, the last ones, that the search does not see; 0 for none.
    workers : int, optional
        Trials at once; all cores by default.
    checkpoint : str, Path or callable, optional
        Folder for the checkpoint, or what opens another kind of checkpoint.
    resume : bool
        Continue what the folder holds; other kinds know by themselves.
    start_points : tuple of mapping
        Parameters to try before all others, as `warm_start.earlier_points` finds them.
    validate : bool
        Whether a verdict is wanted; `validation.run_and_validate` gives it.
    ledger : bool
        Whether `run_and_validate` is to count earlier searches, and to record this one for later ones.
    """

    optimizer: str = "auto"
    optimizer_settings: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget
    seed: int = 0
    holdout: float = 0.25
    workers: int | None = None
    checkpoint: CheckpointPlace | None = None
    resume: bool = False
    start_points: tuple[Mapping[str, Any], ...] = ()
    validate: bool = True
    ledger: bool = True

    def __post_init__(self) -> None:
        check_count("workers", self.workers)
        if self.resume and self.checkpoint is None:
            raise TaskError("resume needs the checkpoint's folder")
        if not (
            self.checkpoint is None or callable(self.checkpoint) or isinstance(self.checkpoint, str | Path)
        ):
            raise TaskError(f"checkpoint is {self.checkpoint!r}; expected the path of a folder")


Settings = TypeVar("Settings", bound=SearchSettings)


class SearchTask(ABC, Generic[Settings]):
    """A search for the best parameters; subclasses say of what, and run it.

    Parameters
    ----------
    space : ParameterSpace
    settings : SearchSettings
    sink : callable, optional
        Receives the events of `strategy_optimizer.records`.
    """

    def __init__(self, space: ParameterSpace, settings: Settings, sink: Sink | None) -> None:
        if sink is not None and not callable(sink):
            raise TaskError(f"progress is {sink!r}; expected a function that receives events")
        self.space = space
        self.sink = sink
        self.settings = settings
        self._loop: Loop | None = None
        self._asked_to_end: StopReason | None = None

    @property
    def history(self) -> TrialHistory:
        """Every trial so far."""
        return self._empty_history() if self._loop is None else self._loop.history

    @abstractmethod
    def _empty_history(self) -> TrialHistory:
        """Return the history before the first trial."""

    @property
    def stop_reason(self) -> StopReason | None:
        """What ended the search; None before."""
        return self._loop.stop_reason if self._loop else None

    def cancel(self, reason: StopReason = "cancelled") -> None:
        """End the search soon, keeping what is done; may be called from any thread."""
        self._asked_to_end = reason
        if self._loop is not None:
            self._loop.cancel(reason)

    def _refuse_to_run_twice(self) -> None:
        if self._loop is not None:
            raise TaskError("the task has run already; make another, or resume its checkpoint")

    def _run_loop(self, loop: Loop) -> StopReason:
        """Run the loop; a task that was cancelled before ends at once."""
        self._loop = loop
        if self._asked_to_end is not None:
            loop.cancel(self._asked_to_end)
        return loop.run()

    def first_parameters(self) -> dict[str, Any]:
        """Return the defaults of the space, or a random point where its constraints forbid them."""
        defaults = self.space.defaults()
        if self.space.is_feasible(self.space.from_dicts([defaults]))[0]:
            return defaults
        return self.space.sample_random(self.settings.seed)

    def _make_optimizer(self, objective: Objective, planned_without_limit: int) -> Optimizer:
        """Return the optimizer; `planned_without_limit` trials are planned for when only time limits the search."""
        settings = self.settings
        several = isinstance(objective, ParetoObjective)
        if several and settings.budget.target is not None:
            raise TaskError(
                f"target is {settings.budget.target:g}, one score, but the objective has several ({objective}); "
                "use patience, or a reference point, which chooses on the front"
            )
        optimizer = create_optimizer(
            settings.optimizer,
            self.space,
            budget=settings.budget.evaluations or planned_without_limit,
            seed=settings.seed,
            directions=objective.directions if several else None,
            **settings.optimizer_settings,
        )
        if settings.start_points:
            optimizer.suggest(self.space.from_dicts(list(settings.start_points)))
        return optimizer

    def _open_checkpoint(self, identity: Mapping[str, Any]) -> SearchCheckpoint | None:
        place = self.settings.checkpoint
        if place is None:
            return None
        return (
            place(identity) if callable(place) else Checkpoint(place, identity, resume=self.settings.resume)
        )

    def _ended(self, loop: Loop, objective: Objective, task_id: str) -> dict[str, Any]:
        """Return the fields of `EndedSearch`."""
        return {
            "task_id": task_id,
            "space": self.space,
            "objective": objective,
            "optimizer": loop.optimizer,
            "history": loop.history,
            "stop_reason": loop.stop_reason,
            "why_converged": loop.why_converged,
            "seconds": loop.elapsed,
            "trials_per_second": (len(loop.history) - loop.n_resumed) / max(loop.session_seconds, 1e-9),
            "n_resumed": loop.n_resumed,
            "n_start_points": len(self.settings.start_points),
        }
