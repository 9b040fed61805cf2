"""One task from its lease to its end, in the child process that runs it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import (
    ClusterUnavailableError,
    LeaseLostError,
    NotStoredError,
    StorageError,
    StrategyOptimizerError,
    TrialConflictError,
)
from strategy_optimizer.plain import as_plain
from strategy_optimizer.records import Event, Finished, Progress, Reproducing, Started, Validating
from strategy_optimizer.storage import Lease, NewEvent, Store, TrialChunk
from strategy_optimizer.tasks import EngineResult, EngineTask, OptimizationTask, Result, TrialHistory
from strategy_optimizer.validation import run_and_validate
from strategy_optimizer.workers.earlier_task import start_points
from strategy_optimizer.workers.engine_inputs import Resources, build_engine_task
from strategy_optimizer.workers.inputs import build_task, read_document, resolve
from strategy_optimizer.workers.lease_checkpoint import LeaseCheckpoint
from strategy_optimizer.workers.messages import Ending, Wish
from strategy_optimizer.workers.store_ledger import StoreLedger
from strategy_optimizer.workers.store_writer import StoreWriter

CLUSTER_PAUSE = 10.0
"""Seconds until a task is given back whose cluster is gone; it is tried some times more."""
STORE_FAULT = "could not use the store"
LOST = 3
"""Exit code of a process whose task another worker has."""


class Stopped(BaseException):
    """The task is left where it is; no code of a user is to catch this."""


@dataclass(frozen=True)
class Assignment:
    """What a child is told of its task.

    Attributes
    ----------
    database : str
        Address of the store.
    task, worker : str
    token : int
        Number of the lease.
    data_dir : str
        Folder of copies of strategies and datasets.
    threads : int
    memory : int or None
        Bytes of the whole task.
    ray_address : str or None
        Where trials of engines run.
    ray_share : int
        Tasks that use that cluster beside each other.
    variables : mapping
        What engines find in the environment, and no other task.
    """

    database: str
    task: str
    worker: str
    token: int
    data_dir: str
    threads: int
    memory: int | None = None
    ray_address: str | None = None
    ray_share: int = 1
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def resources(self) -> Resources:
        """Where trials of engines run, and what there is for them."""
        return Resources(self.threads, self.memory, self.ray_address, self.ray_share, Path(self.data_dir))


class TaskRun:
    """Runs one task, and obeys wishes while it does.

    Parameters
    ----------
    assignment : Assignment
    on_checking : callable
        Called when the search has ended and what follows is the check of its winner.
    on_ended : callable
        Called with how the task was left and the reason, when the store knows it; some clearing up may follow.
    """

    def __init__(
        self,
        assignment: Assignment,
        on_checking: Callable[[], None],
        on_ended: Callable[[Ending, str], None],
    ) -> None:
        self._assignment = assignment
        self._on_checking = on_checking
        self._on_ended = on_ended
        self._store = Store(assignment.database)
        self._task: OptimizationTask | EngineTask | None = None
        self._writer: StoreWriter | None = None
        self._lock = threading.Lock()
        self._wish: Wish | None = None
        self._is_searching = False
        self._ending: Ending | None = None
        self._progress: dict[str, Any] = {}

    # -- the task --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the task, whatever becomes of it."""
        try:
            self._run()
        except Stopped:
            return
        except LeaseLostError as error:
            self._note_end("lost", str(error))
        except NotStoredError as error:  # the task names data that are gone: no fault of the store
            self._fail(error)
        except StorageError as error:
            self._note_end("fault", f"{STORE_FAULT}: {error}")
        except ClusterUnavailableError as error:
            self._wait_for_cluster(error)
        except Exception as error:
            if self._ending is None:
                self._fail(error)

    def _note_end(self, ending: Ending, reason: str = "") -> None:
        """Say how the task was left; the first word counts."""
        with self._lock:
            if self._ending is not None:
                return
            self._ending = ending
        self._on_ended(ending, reason)

    def _run(self) -> None:
        record = self._store.tasks.get(self._assignment.task)
        lease = Lease(record, self._assignment.worker, self._assignment.token, record.queued)
        writer = StoreWriter(self._store, lease, on_lost=lambda: os._exit(LOST))
        with self._lock:
            self._writer = writer
        writer.start()
        self._obey()
        try:
            task = self._make(lease, writer)
            with self._lock:
                self._task, self._is_searching = task, True
            self._ask_search()
            result = run_and_validate(task, StoreLedger(writer))
        except SystemExit as error:
            raise StrategyOptimizerError(
                f"the strategy's code ended the program: SystemExit({error.code})"
            ) from error
        self._obey()
        self._complete(result)

    def _make(self, lease: Lease, writer: StoreWriter) -> OptimizationTask | EngineTask:
        stored, data_dir = read_document(lease.task.document), Path(self._assignment.data_dir)
        if stored.engine:
            os.environ.update(self._assignment.variables)
        points, why_none = start_points(self._store, lease.task, stored, data_dir)
        if why_none:
            writer.tell(NewEvent("note", {"text": f"warm start: {why_none}"}))
        others: dict[str, Any] = {
            "checkpoint": lambda identity: LeaseCheckpoint(writer, identity),
            "progress": self._take,
            "warm_start": points or None,
        }
        if stored.engine:
            return build_engine_task(stored, self._store, self._assignment.resources, **others)
        strategy, bars = resolve(stored, lease.task.owner, self._store, data_dir)
        return build_task(stored, strategy, bars, threads=self._assignment.threads, **others)

    def _complete(self, result: Result | EngineResult) -> None:
        writer = self._the_writer()
        writer.flush()
        document = replace(result, task_id=writer.lease.task.id).to_dict()
        events = [NewEvent("note", {"text": text}) for text in result.notes]
        if result.verdict is not None:
            verdict = as_plain(result.verdict)
            events.append(NewEvent("verdict", {name: verdict[name] for name in ("decision", "reasons")}))
        progress = {**self._progress, "progress": 1.0, "seconds_left": 0.0}
        events.insert(0, NewEvent("progress", progress))
        writer.insist(
            lambda: self._store.queue.finish(
                writer.lease,
                "completed",
                stop_reason=result.stop_reason,
                result=document,
                progress=progress,
                events=events,
                chunk=self._last_trials(),
            )
        )
        self._note_end("completed")

    def _last_trials(self) -> TrialChunk | None:
        """Return the trials that had ended, unknown to the optimizer, when the search stopped; None without any."""
        history, stored = self._task.history if self._task is not None else (), self._the_writer().stored
        if isinstance(history, TrialHistory) and len(history) > stored:
            return TrialChunk.of(history, stored, len(history))
        return None

    def _fail(self, error: Exception) -> None:
        text = str(error)
        if not isinstance(error, StrategyOptimizerError):
            traceback.print_exc(file=sys.stderr)
            text = f"unexpected {type(error).__name__}: {error}"
        writer = self._writer
        if writer is None:
            return self._note_end("fault", f"{STORE_FAULT}: {text}")
        try:
            with contextlib.suppress(TrialConflictError):  # the same error: what is stored is whole
                writer.flush()
            writer.insist(lambda: self._store.queue.finish(writer.lease, "failed", error=text))
        except LeaseLostError as lost:
            return self._note_end("lost", str(lost))
        except StorageError as fault:
            return self._note_end("fault", f"{STORE_FAULT}: {fault}")
        return self._note_end("failed", text)

    def _wait_for_cluster(self, error: ClusterUnavailableError) -> None:
        """Give a task back that ran on a cluster before; one that never did was told a wrong address."""
        if not self._the_writer().lease.task.trials:
            return self._fail(error)
        time.sleep(CLUSTER_PAUSE)
        return self._note_end("fault", f"has no cluster: {error}")

    def _the_writer(self) -> StoreWriter:
        assert self._writer is not None
        return self._writer

    # -- what the search says --------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        """Receive the events of the search, in the main thread."""
        if isinstance(event, Started):
            self._progress["optimizer"] = event.optimizer
        elif isinstance(event, Progress):
            self._show(stage="search", **_progress_data(event))
        elif isinstance(event, Finished):
            with self._lock:
                self._is_searching = False
            self._on_checking()
            self._obey(leave=False)  # at the next event: then its trials can be entered in the ledger
        elif isinstance(event, (Reproducing, Validating)):
            if self._ending is not None:
                raise Stopped
            self._obey()
            self._show(stage="reproduce" if isinstance(event, Reproducing) else "validate")

    def _show(self, **news: Any) -> None:
        self._progress.update(news)
        self._the_writer().progress(dict(self._progress))

    # -- wishes ----------------------------------------------------------------------------------------------

    def ask(self, wish: Wish) -> None:
        """Have the task stop; called from the thread that listens to the worker."""
        with self._lock:
            if self._wish == "cancel" or self._ending is not None:
                return
            if wish == "lost":
                os._exit(LOST)
            self._wish = wish
            is_searching, writer = self._is_searching, self._writer
        if is_searching:
            self._ask_search()
        elif writer is not None and wish != "deadline":
            self._leave_now(wish)

    def _ask_search(self) -> None:
        """Have the search end after the trials in flight, if something is wished."""
        with self._lock:
            task, wish = self._task, self._wish
        if task is not None and wish is not None:
            task.cancel("deadline" if wish == "deadline" else "cancelled")

    def _leave_now(self, wish: Wish) -> None:
        """End outside the search, where nothing of it can be lost: what is missing is done again."""
        try:
            self._end(wish)
        except StrategyOptimizerError:
            return  # the main thread meets the same, or was quicker
        if wish == "cancel":  # its trials are still to be recorded in the ledger
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        else:
            raise Stopped

    def _obey(self, *, leave: bool = True) -> None:
        """Stop if that is wished, at once or, without `leave`, a little later; in the main thread, between stages."""
        with self._lock:
            wish, ending = self._wish, self._ending
        if wish is None or wish == "deadline" or ending is not None:
            return
        self._end(wish)
        if leave and (wish != "cancel" or self._task is None):
            raise Stopped

    def _end(self, wish: Wish) -> None:
        """Store what there is, and leave the task as it is wished."""
        writer, queue = self._the_writer(), self._store.queue
        writer.flush()
        if wish == "drain":
            writer.insist(lambda: queue.release(writer.lease))
            ending: Ending = "released"
        elif wish == "pause":
            ending = self._pause(writer)
        else:
            rest = self._last_trials()
            writer.insist(
                lambda: queue.finish(writer.lease, "cancelled", stop_reason="cancelled", chunk=rest)
            )
            ending = "cancelled"
        self._note_end(ending)

    def _pause(self, writer: StoreWriter) -> Ending:
        """Pause the task, or queue it when its owner has thought better of it."""
        queue, lease = self._store.queue, writer.lease
        now = writer.insist(lambda: queue.wishes([lease])).get(lease.task.id)
        if now is not None and not now.pause_requested:
            writer.insist(lambda: queue.release(lease))
            return "released"
        writer.insist(lambda: queue.finish(lease, "paused"))
        return "paused"


def _progress_data(event: Progress) -> Mapping[str, Any]:
    """Return the progress of a search as the event of a task."""
    names = (
        "trials",
        "failed",
        "infeasible",
        "evaluations",
        "best_score",
        "best_parameters",
        "elapsed",
        "trials_per_second",
        "seconds_left",
    )
    data = {name: as_plain(getattr(event, name)) for name in names}
    if event.front is not None:
        data |= {"front": event.front, "best_metrics": as_plain(event.best_metrics)}
    if event.usage is not None:
        data["usage"] = asdict(event.usage)
    return {"progress": 0.0 if event.fraction is None else event.fraction, **data}
