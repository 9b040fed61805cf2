"""Runs trials on a Ray cluster: one of this machine's own, or one that is there."""

from __future__ import annotations

import importlib
import itertools
import pickle
import queue
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import ray_worker
from strategy_optimizer.tasks.executors.base import Executor, FailureKind, Limits, Outcome, Usage
from strategy_optimizer.tasks.executors.batches import BatchSizes
from strategy_optimizer.tasks.executors.child import system, tree, words, worker
from strategy_optimizer.tasks.executors.child.words import error_text, one_line, size_text
from strategy_optimizer.tasks.executors.cores import usable_cores
from strategy_optimizer.tasks.executors.guarded_process import THREADS
from strategy_optimizer.tasks.executors.ray_cluster import RayCluster
from strategy_optimizer.tasks.executors.ray_worker import Entry, Note, RayWorker, Reply
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
NOTES = "strategy-optimizer:"


@dataclass(eq=False)
class _Run:
    number: int
    argument: bytes
    losses: int = 0
    node_losses: int = 0
    alone: bool = False  # it may be what ended a worker: nothing else is risked with it


@dataclass(eq=False)
class _Batch:
    turn: int
    runs: list[_Run]
    began: float  # when it was sent, or when the one before it ended
    delivered: int = 0
    noted: bool = False  # the worker will do nothing of it after the present run


@dataclass(eq=False)
class _Lane:
    """One worker, and what was sent to it."""

    key: str
    actor: Any
    asked: float
    ready: bool = False
    process: int = 0
    place: str = ""
    batches: deque[_Batch] = field(default_factory=deque)
    memory: int = 0
    first_memory: int | None = None
    cpu_seconds: float = 0.0
    retiring: bool = False


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
        self._start_seconds = start_seconds
        self._share = share
        self._open: dict[int, None] = {}
        self._waiting: deque[_Run] = deque()
        self._outcomes: list[Outcome] = []
        self._events: queue.SimpleQueue[tuple[_Lane, float, Any]] = queue.SimpleQueue()
        self._lanes: list[_Lane] = []
        self._turns = itertools.count(1)
        self._sizes = BatchSizes(BATCH_SECONDS)
        self._restarted = self._retried = self._failed_starts = 0
        self._past_cpu_seconds = 0.0
        self._last_look = 0.0
        parts = [pickle.PickleBuffer(part) for part in function_parts(function)]
        self._cluster = _cluster(address, workers, runtime_env or {}, store)
        try:
            self._begin(parts, workers, runtime_env or {})
        except BaseException:
            self.close()
            raise

    def _begin(
        self, parts: list[pickle.PickleBuffer], workers: int | None, runtime_env: Mapping[str, Any]
    ) -> None:
        ray = self._cluster.ray
        self._store = importlib.import_module("ray.experimental.internal_kv")
        self._n_workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // self._share)
        self.capacity = 2 * self._n_workers
        self._parts = ray.put(parts)
        # A cluster of our own works where we do; on others' nodes the folder may be missing.
        self._place = list(sys.path), str(Path.cwd()) if self._cluster.own else None
        for module in (ray_worker, system, tree, words, worker):
            ray.cloudpickle.register_pickle_by_value(module)
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0}
        if not self._cluster.own:
            variables = {**dict.fromkeys(THREADS, "1"), **runtime_env.get("env_vars", {})}
            options["runtime_env"] = {**runtime_env, "env_vars": variables}
        self._actors = ray.remote(**options)(RayWorker)
        for _ in range(self._n_workers):
            self._open_lane()
        while not any(lane.ready for lane in self._lanes):
            self._take(LOOK_EVERY)
            self._demand_workers()

    # What is asked from outside

    def submit(self, number: int, argument: Any) -> None:
        """Send the run to a worker that is idle, or let it wait for one."""
        self._demand_open()
        if number in self._open:
            raise ExecutorError(f"run {number} is in flight already; expected a number of its own")
        run = _Run(number, sent_argument(argument))
        self._open[number] = None
        self._waiting.append(run)
        if any(lane.ready and not lane.batches and not lane.retiring for lane in self._lanes):
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
        lanes = [lane for lane in self._lanes if lane.ready]
        return Usage(
            workers=len(lanes),
            busy=sum(bool(lane.batches) for lane in lanes),
            memory=sum(lane.memory for lane in lanes),
            cpu_seconds=self._past_cpu_seconds + sum(lane.cpu_seconds for lane in lanes),
            restarted=self._restarted,
            retried=self._retried,
        )

    def close(self) -> None:
        """End the workers; and the cluster when it was started here."""
        cluster, self._closed = self._cluster, True
        for lane in [] if cluster.own else self._lanes:
            self._end(lane)
        self._lanes.clear()
        self._open.clear()
        self._waiting.clear()
        self._outcomes.clear()
        self._parts = None
        cluster.close()

    _closed = False

    def _demand_open(self) -> None:
        if self._closed:
            raise ExecutorError("the executor is closed; make a new one")

    # Sending

    def _dispatch(self) -> None:
        while self._waiting:
            lane = self._free_lane()
            if lane is None:
                return
            self._send(lane, self._next_runs())

    def _free_lane(self) -> _Lane | None:
        """Return the worker with the least to do that has room for what waits first."""
        idle = next((lane for lane in self._lanes if self._has_room(lane, 0)), None)
        if idle is not None or self._waiting[0].alone or not self._sends_ahead():
            return idle
        return next((lane for lane in self._lanes if self._has_room(lane, 1)), None)

    def _has_room(self, lane: _Lane, batches: int) -> bool:
        if not lane.ready or lane.retiring or len(lane.batches) != batches:
            return False
        late = time.monotonic() - SHORT
        return not any(batch.began < late or not batch.runs or batch.runs[0].alone for batch in lane.batches)

    def _sends_ahead(self) -> bool:
        seconds = self._sizes.run_seconds
        return seconds is not None and seconds < SHORT

    def _next_runs(self) -> list[_Run]:
        if self._waiting[0].alone:
            return [self._waiting.popleft()]
        depth = 2 if self._sends_ahead() else 1
        places = sum(depth - len(lane.batches) for lane in self._lanes if lane.ready and not lane.retiring)
        runs: list[_Run] = []
        size = self._sizes.size(len(self._waiting), max(1, places))
        while self._waiting and len(runs) < size and not self._waiting[0].alone:
            runs.append(self._waiting.popleft())
        return runs

    def _send(self, lane: _Lane, runs: list[_Run]) -> None:
        batch = _Batch(next(self._turns), runs, time.monotonic())
        lane.batches.append(batch)
        arguments = [run.argument for run in runs]
        self._follow(lane, lane.actor.run.remote(batch.turn, arguments, PATIENCE))

    def _follow(self, lane: _Lane, reference: Any) -> None:
        events = self._events
        reference.future().add_done_callback(lambda future: events.put((lane, time.monotonic(), future)))

    # Receiving

    def _take(self, seconds: float) -> None:
        """Handle what happened; wait for something for some seconds."""
        while True:
            try:
                lane, at, future = (
                    self._events.get(timeout=seconds) if seconds > 0 else self._events.get(False)
                )
            except queue.Empty:
                return
            seconds = 0.0
            if lane not in self._lanes:
                continue  # the worker was given up
            error = future.exception()
            if error is not None:
                self._lost(lane, error)
            elif not lane.ready:
                self._loaded(lane, *future.result())
            else:
                self._ended(lane, at, future.result())

    def _loaded(self, lane: _Lane, process: int, place: str, failure: str) -> None:
        if failure:
            raise ExecutorError(
                f"the workers cannot load the function: {failure}; what it imports must be there on every node "
                f"(runtime_env={{'pip': [...]}} or {{'working_dir': ...}} brings it)"
            )
        lane.ready = True
        lane.process, lane.place = process, f"process {process} on {place}"
        self._failed_starts = 0

    def _ended(self, lane: _Lane, at: float, given: Any) -> None:
        reply = Reply(*given)
        batch = lane.batches.popleft()
        if lane.batches:
            lane.batches[0].began = at
        lane.memory, lane.cpu_seconds = reply.memory, reply.cpu_seconds
        self._deliver(lane, batch, reply.entries)
        self._put_back(batch.runs[len(reply.entries) :])
        self._measure(reply.entries)
        self._recycle_if_grown(lane)

    def _deliver(self, lane: _Lane, batch: _Batch, entries: list[Entry]) -> None:
        for run, entry in list(zip(batch.runs, entries, strict=False))[batch.delivered :]:
            self._finish(run, entry, lane.place)
        batch.delivered = max(batch.delivered, len(entries))

    def _finish(self, run: _Run, entry: Entry, place: str) -> None:
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
        self, run: _Run, kind: FailureKind, message: str, seconds: float, place: str, details: str = ""
    ) -> None:
        self._outcomes.append(Outcome(run.number, None, kind, message, seconds, place, details))

    def _put_back(self, runs: list[_Run]) -> None:
        self._waiting.extendleft(reversed(runs))

    def _measure(self, entries: list[Entry]) -> None:
        if entries:
            self._sizes.measure(len(entries), sum(entry[2] for entry in entries))
            self.capacity = 2 * self._n_workers * self._sizes.largest

    # Losses and limits

    def _lost(self, lane: _Lane, error: BaseException) -> None:
        exceptions = self._cluster.ray.exceptions
        if isinstance(error, exceptions.RuntimeEnvSetupError):
            raise ExecutorError(f"the workers' environment cannot be made: {one_line(str(error))}") from error
        if not isinstance(error, exceptions.RayError):
            raise ExecutorError(f"Ray cannot run the worker: {error_text(error)}") from error
        if not lane.ready:
            self._failed_starts += 1
            self._demand_starts(error)
        note = self._note(lane)
        running = lane.batches.popleft() if lane.batches else None
        for batch in reversed(lane.batches):
            self._put_back(batch.runs)
        lane.batches.clear()
        if running is not None:
            self._blame(lane, running, note, error)
        self._replace(lane)

    def _blame(self, lane: _Lane, batch: _Batch, note: Note | None, error: BaseException) -> None:
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

    def _try_again(self, lane: _Lane, batch: _Batch, suspects: list[_Run], error: BaseException) -> None:
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

    def _crash(self, run: _Run, error: BaseException) -> tuple[FailureKind, str]:
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
        self._demand_workers()

    def _look_at(self, lane: _Lane, now: float) -> None:
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

    def _recall(self, lane: _Lane) -> None:
        """Give others what waits behind a long run; the worker passes over it when it gets there."""
        for batch in list(lane.batches)[1:]:
            if batch.runs:
                self._store._internal_kv_put(
                    (lane.key + ray_worker.PASS_OVER).encode(), str(batch.turn).encode()
                )
                self._put_back(batch.runs)
                batch.runs = []

    def _read_note(self, lane: _Lane, batch: _Batch, now: float) -> None:
        note = self._note(lane)
        if note is None or note.turn != batch.turn:
            return
        self._deliver(lane, batch, note.entries)
        self._put_back(batch.runs[batch.delivered + 1 :])
        del batch.runs[batch.delivered + 1 :]
        batch.noted = True
        batch.began = now - note.seconds

    def _overdue(self, lane: _Lane, batch: _Batch, now: float, certain: bool) -> None:
        self._end(lane)
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
        self._replace(lane)

    def _note(self, lane: _Lane) -> Note | None:
        content = self._store._internal_kv_get(lane.key.encode())
        return None if content is None else Note(*pickle.loads(content))

    def _next_look(self) -> float:
        limit = self._limits.seconds
        return LOOK_EVERY if limit is None else min(LOOK_EVERY, max(0.01, limit / 10))

    def _recycle_if_grown(self, lane: _Lane) -> None:
        limit = self._limits.memory
        if lane.first_memory is None:
            lane.first_memory = lane.memory
        if limit is not None and lane.memory - lane.first_memory > (limit - lane.first_memory) / 2:
            lane.retiring = True
        if lane.retiring and not lane.batches:
            self._replace(lane)

    # Workers

    def _open_lane(self) -> None:
        key = f"{NOTES}{time.time_ns()}:{next(self._turns)}"
        actor = self._actors.remote(key, self._limits.memory)
        lane = _Lane(key, actor, time.monotonic())
        self._lanes.append(lane)
        self._follow(lane, actor.load.remote([self._parts], *self._place))

    def _replace(self, lane: _Lane) -> None:
        self._past_cpu_seconds += lane.cpu_seconds
        self._restarted += 1
        self._end(lane)
        self._cluster.sweep(lane.process)
        self._lanes.remove(lane)
        self._open_lane()

    def _end(self, lane: _Lane) -> None:
        try:
            self._cluster.ray.kill(lane.actor, no_restart=True)
            for key in (lane.key, lane.key + ray_worker.PASS_OVER):
                self._store._internal_kv_del(key.encode())
        except Exception:  # the cluster is gone
            return

    def _demand_starts(self, error: BaseException) -> None:
        if self._failed_starts > max(3, self._n_workers):
            raise ExecutorError(
                f"the workers die before they have loaded the function ({self._failed_starts} in a row): "
                f"{one_line(str(error))}"
            ) from error

    def _demand_workers(self) -> None:
        if any(lane.ready for lane in self._lanes):
            return
        since = min(time.monotonic() - lane.asked for lane in self._lanes)
        if since > self._start_seconds:
            resources = self._cluster.ray.cluster_resources().get("CPU", 0)
            raise ExecutorError(
                f"no worker has been there for {since:.0f} s: the cluster has {resources:.0f} cores, and none is free"
            )


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
