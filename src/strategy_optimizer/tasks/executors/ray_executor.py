"""Runs trials on a Ray cluster: one of this machine's own, or one that is there."""

from __future__ import annotations

import pickle
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.base import Executor, FailureKind, Limits, Outcome, Usage
from strategy_optimizer.tasks.executors.batches import BatchSizes
from strategy_optimizer.tasks.executors.child.words import error_text, one_line, size_text
from strategy_optimizer.tasks.executors.cores import usable_cores
from strategy_optimizer.tasks.executors.ray_cluster import RayCluster
from strategy_optimizer.tasks.executors.ray_lanes import Batch, Lane, RayLanes, Run
from strategy_optimizer.tasks.executors.ray_worker import Entry, Note, Reply
from strategy_optimizer.tasks.executors.sending import function_parts, received_value, sent_argument

BATCH_SECONDS = 0.1
PATIENCE = 4 * BATCH_SECONDS
"""A batch that takes longer gives back what it has not begun."""

SHORT = 0.25
"""A worker gets its next batch while it still works where a batch is expected to be shorter."""

LOOK_EVERY = 0.25
STORE = 200 * 2**20
NODE_LOSSES = 10
NODE_DIED = re.compile("because its (owner|node) has died")


class RayExecutor(Executor):
    """Runs the function in the worker processes of a Ray cluster.

    Parameters
    ----------
    function : callable
        Of one argument. It goes to the cluster once, with its data; arrays that it holds are read-only there.
    address : str, optional
        ``"host:port"`` of the head of a cluster of which this machine is a node, or ``"auto"``. By default Ray is
        started on this machine, for this executor alone; or used, where the program called ``ray.init`` already.
    workers : int, optional
        Worker processes, of one core each; by default as many as the cluster has cores.
    limits : Limits
        What one run may use. Ray has no means to count processes and output; see docs/ray.md.
    attempts : int
        So often a run is begun when its worker dies; then it has crashed.
    runtime_env : mapping, optional
        Ray's description of what the nodes need, as in ``{"pip": ["my-strategy"]}``.
    store : int
        Bytes of the object store of a cluster that is started here: the function and its data must fit.
    start_seconds : float
        Without any worker for so long the executor gives up; more where nodes are made when they are needed.
    share : int
        How many programs share the cluster: without `workers` this one takes one part of its cores.

    Raises
    ------
    ExecutorError
        Ray is missing or too old, the address does not answer, or no worker starts.
    UnsendableError
        The function, or what it refers to, cannot be sent.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        address: str | None = None,
        workers: int | None = None,
        limits: Limits | None = None,
        attempts: int = 3,
        runtime_env: Mapping[str, Any] | None = None,
        store: int = STORE,
        start_seconds: float = 60.0,
        share: int = 1,
    ) -> None:
        _check(workers, attempts)
        self._limits = limits or Limits()
        self._attempts = attempts
        self._open: dict[int, None] = {}
        self._waiting: deque[Run] = deque()
        self._outcomes: list[Outcome] = []
        self._sizes = BatchSizes(BATCH_SECONDS)
        self._retried = 0
        self._last_look = 0.0
        self._closed = False
        parts = [pickle.PickleBuffer(part) for part in function_parts(function)]
        self._cluster = _cluster(address, workers, runtime_env or {}, store)
        self._lanes = RayLanes(self._cluster, self._limits.memory, start_seconds)
        try:
            self._lanes.begin(parts, workers, share, runtime_env or {})
            self.workers = self._lanes.n_workers
            self.capacity = 2 * self.workers
            while not self._lanes.ready:
                self._take(LOOK_EVERY)
                self._lanes.demand_workers()
        except BaseException:
            self.close()
            raise

    # What is asked from outside

    def submit(self, number: int, argument: Any) -> None:
        """Send the run to a worker that is idle, or let it wait for one."""
        self._demand_open()
        if number in self._open:
            raise ExecutorError(f"run {number} is in flight already; expected a number of its own")
        run = Run(number, sent_argument(argument))
        self._open[number] = None
        self._waiting.append(run)
        if any(lane.takes_runs and not lane.batches for lane in self._lanes):
            self._dispatch()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Return what ended since the last call."""
        end = None if timeout is None else time.monotonic() + timeout
        self._take(0.0)
        while self._open:
            self._look_after()
            self._dispatch()
            if self._outcomes:
                break
            left = LOOK_EVERY if end is None else end - time.monotonic()
            if left <= 0:
                break
            self._take(min(left, self._next_look()))
        outcomes, self._outcomes = self._outcomes, []
        for outcome in outcomes:
            del self._open[outcome.number]
        return outcomes

    @property
    def in_flight(self) -> int:
        """Runs submitted whose outcome was not returned yet."""
        return len(self._open)

    def usage(self) -> Usage:
        """Return what the workers said with their last batches."""
        lanes = self._lanes.ready
        return Usage(
            workers=len(lanes),
            busy=sum(bool(lane.batches) for lane in lanes),
            memory=sum(lane.memory for lane in lanes),
            cpu_seconds=self._lanes.cpu_seconds,
            restarted=self._lanes.restarted,
            retried=self._retried,
        )

    def close(self) -> None:
        """End the workers; and the cluster when it was started here."""
        self._closed = True
        self._lanes.close()
        self._open.clear()
        self._waiting.clear()
        self._outcomes.clear()
        self._cluster.close()

    def _demand_open(self) -> None:
        if self._closed:
            raise ExecutorError("the executor is closed; make a new one")

    # Sending

    def _dispatch(self) -> None:
        while self._waiting:
            lane = self._free_lane()
            if lane is None:
                return
            self._lanes.send(lane, self._next_runs(), PATIENCE)

    def _free_lane(self) -> Lane | None:
        """Return the worker with the least to do that has room for what waits first."""
        idle = next((lane for lane in self._lanes if self._has_room(lane, 0)), None)
        if idle is not None or self._waiting[0].alone or not self._sends_ahead():
            return idle
        return next((lane for lane in self._lanes if self._has_room(lane, 1)), None)

    def _has_room(self, lane: Lane, batches: int) -> bool:
        if not lane.takes_runs or len(lane.batches) != batches:
            return False
        late = time.monotonic() - SHORT
        return not any(batch.began < late or not batch.runs or batch.runs[0].alone for batch in lane.batches)

    def _sends_ahead(self) -> bool:
        seconds = self._sizes.run_seconds
        return seconds is not None and seconds < SHORT

    def _next_runs(self) -> list[Run]:
        if self._waiting[0].alone:
            return [self._waiting.popleft()]
        depth = 2 if self._sends_ahead() else 1
        places = sum(depth - len(lane.batches) for lane in self._lanes if lane.takes_runs)
        runs: list[Run] = []
        size = self._sizes.size(len(self._waiting), max(1, places))
        while self._waiting and len(runs) < size and not self._waiting[0].alone:
            runs.append(self._waiting.popleft())
        return runs

    # Receiving

    def _take(self, seconds: float) -> None:
        """Handle what happened; wait for something for some seconds."""
        while (event := self._lanes.next_event(seconds)) is not None:
            seconds = 0.0
            lane, at, future = event
            error = future.exception()
            if error is not None:
                self._lost(lane, error)
            elif not lane.ready:
                self._loaded(lane, *future.result())
            else:
                self._ended(lane, at, future.result())

    def _loaded(self, lane: Lane, process: int, place: str, failure: str) -> None:
        if failure:
            raise ExecutorError(
                f"the workers cannot load the function: {failure}; what it imports must be there on every node "
                f"(runtime_env={{'pip': [...]}} or {{'working_dir': ...}} brings it)"
            )
        self._lanes.note_loaded(lane, process, place)

    def _ended(self, lane: Lane, at: float, given: Any) -> None:
        reply = Reply(*given)
        batch = lane.batches.popleft()
        if lane.batches:
            lane.batches[0].began = at
        lane.memory, lane.cpu_seconds = reply.memory, reply.cpu_seconds
        self._deliver(lane, batch, reply.entries)
        self._put_back(batch.runs[len(reply.entries) :])
        self._measure(reply.entries)
        self._recycle_if_grown(lane)

    def _deliver(self, lane: Lane, batch: Batch, entries: list[Entry]) -> None:
        for run, entry in list(zip(batch.runs, entries, strict=False))[batch.delivered :]:
            self._finish(run, entry, lane.place)
        batch.delivered = max(batch.delivered, len(entries))

    def _finish(self, run: Run, entry: Entry, place: str) -> None:
        kind, content, seconds, details = entry
        limit = self._limits.seconds
        if limit is not None and seconds > limit:
            self._fail(run, "time_limit", _late(limit), seconds, place)
        elif kind != "value":
            self._fail(run, kind, content, seconds, place, details)
        else:
            value, problem = received_value(content)
            if problem:
                self._fail(run, "unreadable", problem, seconds, place)
            else:
                self._outcomes.append(Outcome(run.number, value, seconds=seconds, worker=place))

    def _fail(
        self, run: Run, kind: FailureKind, message: str, seconds: float, place: str, details: str = ""
    ) -> None:
        self._outcomes.append(Outcome(run.number, None, kind, message, seconds, place, details))

    def _put_back(self, runs: list[Run]) -> None:
        self._waiting.extendleft(reversed(runs))

    def _measure(self, entries: list[Entry]) -> None:
        if entries:
            self._sizes.measure(len(entries), sum(entry[2] for entry in entries))
            self.capacity = 2 * self.workers * self._sizes.largest

    # Losses and limits

    def _lost(self, lane: Lane, error: BaseException) -> None:
        exceptions = self._cluster.ray.exceptions
        if isinstance(error, exceptions.RuntimeEnvSetupError):
            raise ExecutorError(f"the workers' environment cannot be made: {one_line(str(error))}") from error
        if not isinstance(error, exceptions.RayError):
            raise ExecutorError(f"Ray cannot run the worker: {error_text(error)}") from error
        if not lane.ready:
            self._lanes.note_failed_start(error)
        note = self._lanes.note(lane)
        running = lane.batches.popleft() if lane.batches else None
        for batch in reversed(lane.batches):
            self._put_back(batch.runs)
        lane.batches.clear()
        if running is not None:
            self._blame(lane, running, note, error)
        self._lanes.replace(lane)

    def _blame(self, lane: Lane, batch: Batch, note: Note | None, error: BaseException) -> None:
        """Find out which run of a batch ended its worker; whoever may have done it runs again, alone."""
        suspects = batch.runs[batch.delivered :]
        if note is not None and note.turn == batch.turn:
            self._deliver(lane, batch, note.entries)
            suspects, innocent = batch.runs[batch.delivered :][:1], batch.runs[batch.delivered :][1:]
            self._put_back(innocent)
            if note.memory is not None and suspects:
                limit = size_text(self._limits.memory or 0)
                message = f"used {size_text(note.memory)}, more than {limit}"
                self._fail(suspects[0], "memory_limit", message, note.seconds, lane.place)
                return
        self._try_again(lane, batch, suspects, error)

    def _try_again(self, lane: Lane, batch: Batch, suspects: list[Run], error: BaseException) -> None:
        exceptions = self._cluster.ray.exceptions
        by_itself = isinstance(error, (exceptions.ActorDiedError, exceptions.OutOfMemoryError))
        node_died = not by_itself or NODE_DIED.search(str(error)) is not None
        for run in reversed(suspects):
            if node_died:
                run.node_losses += 1
            elif len(suspects) == 1:
                run.losses += 1
            run.alone = True
            if run.losses >= self._attempts or run.node_losses >= NODE_LOSSES:
                kind, message = self._crash(run, error)
                self._fail(run, kind, message, time.monotonic() - batch.began, lane.place)
            else:
                self._retried += 1
                self._waiting.appendleft(run)

    def _crash(self, run: Run, error: BaseException) -> tuple[FailureKind, str]:
        if isinstance(error, self._cluster.ray.exceptions.OutOfMemoryError):
            return "memory_limit", "its node ran out of memory"
        if run.node_losses >= NODE_LOSSES:
            return "crashed", f"its node was lost {run.node_losses} times"
        times = "time" if run.losses == 1 else "times"
        return "crashed", f"its worker process died {run.losses} {times}"

    def _look_after(self) -> None:
        now = time.monotonic()
        if now < self._last_look + self._next_look():
            return
        self._last_look = now
        for lane in list(self._lanes):
            if lane.batches:
                self._look_at(lane, now)
        self._lanes.demand_workers()

    def _look_at(self, lane: Lane, now: float) -> None:
        batch = lane.batches[0]
        if now - batch.began > SHORT:
            self._recall(lane)
        if len(batch.runs) > 1 and not batch.noted and now - batch.began > PATIENCE + SHORT:
            self._read_note(lane, batch, now)
        limit = self._limits.seconds
        if limit is None:
            return
        certain = len(batch.runs) <= 1 or batch.noted
        if now - batch.began > limit + (0.0 if certain else PATIENCE + 2 * SHORT):
            self._overdue(lane, batch, now, certain)

    def _recall(self, lane: Lane) -> None:
        """Give others what waits behind a long run; the worker passes over it when it gets there."""
        for batch in list(lane.batches)[1:]:
            if batch.runs:
                self._lanes.pass_over(lane, batch)
                self._put_back(batch.runs)
                batch.runs = []

    def _read_note(self, lane: Lane, batch: Batch, now: float) -> None:
        note = self._lanes.note(lane)
        if note is None or note.turn != batch.turn:
            return
        self._deliver(lane, batch, note.entries)
        self._put_back(batch.runs[batch.delivered + 1 :])
        del batch.runs[batch.delivered + 1 :]
        batch.noted = True
        batch.began = now - note.seconds

    def _overdue(self, lane: Lane, batch: Batch, now: float, certain: bool) -> None:
        self._lanes.end(lane)
        for other in reversed(list(lane.batches)[1:]):
            self._put_back(other.runs)
        runs = batch.runs[batch.delivered :]
        if certain and runs:
            self._fail(runs[0], "time_limit", _late(self._limits.seconds), now - batch.began, lane.place)
        else:
            for run in runs:
                run.alone = True
            self._retried += len(runs)
            self._put_back(runs)
        self._lanes.replace(lane)

    def _next_look(self) -> float:
        limit = self._limits.seconds
        return LOOK_EVERY if limit is None else min(LOOK_EVERY, max(0.01, limit / 10))

    def _recycle_if_grown(self, lane: Lane) -> None:
        limit = self._limits.memory
        if lane.first_memory is None:
            lane.first_memory = lane.memory
        if limit is not None and lane.memory - lane.first_memory > (limit - lane.first_memory) / 2:
            lane.retiring = True
        if lane.retiring and not lane.batches:
            self._lanes.replace(lane)


def _check(workers: int | None, attempts: int) -> None:
    for name, value in (("workers", workers), ("attempts", attempts)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ExecutorError(f"{name} is {value!r}; expected a whole number of at least 1")


def _cluster(
    address: str | None, workers: int | None, runtime_env: Mapping[str, Any], store: int
) -> RayCluster:
    if address is not None:
        return RayCluster.join(address, runtime_env)
    return RayCluster.present() or RayCluster.start(workers or usable_cores(), store, runtime_env)


def _late(limit: float | None) -> str:
    return f"ran longer than {limit:g} s"
