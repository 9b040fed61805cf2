"""The workers of a Ray cluster that one executor uses, what was sent to each, and the notes that they leave."""

from __future__ import annotations

import importlib
import itertools
import pickle
import queue
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import ray_worker
from strategy_optimizer.tasks.executors.child import system, tree, words, worker
from strategy_optimizer.tasks.executors.child.words import one_line
from strategy_optimizer.tasks.executors.guarded_process import THREADS
from strategy_optimizer.tasks.executors.ray_cluster import RayCluster
from strategy_optimizer.tasks.executors.ray_worker import Note, RayWorker

NOTES = "strategy-optimizer:"


@dataclass(eq=False)
class Run:
    """One run that was submitted, until its outcome is known."""

    number: int
    argument: bytes
    losses: int = 0
    node_losses: int = 0
    alone: bool = False  # it may be what ended a worker: nothing else is risked with it


@dataclass(eq=False)
class Batch:
    """Runs that were sent to a worker together."""

    turn: int
    runs: list[Run]
    began: float  # when it was sent, or when the one before it ended
    delivered: int = 0
    noted: bool = False  # the worker will do nothing of it after the present run


@dataclass(eq=False)
class Lane:
    """One worker, and what was sent to it."""

    key: str
    actor: Any
    asked: float
    ready: bool = False
    process: int = 0
    place: str = ""
    batches: deque[Batch] = field(default_factory=deque)
    memory: int = 0
    first_memory: int | None = None
    cpu_seconds: float = 0.0
    retiring: bool = False

    @property
    def takes_runs(self) -> bool:
        """Whether it has loaded the function and will not be replaced."""
        return self.ready and not self.retiring


class RayLanes:
    """The lanes of one executor.

    Parameters
    ----------
    cluster : RayCluster
    memory : int or None
        Bytes that a worker and what it started may use.
    start_seconds : float
        Without any worker for so long it gives up.
    """

    def __init__(self, cluster: RayCluster, memory: int | None, start_seconds: float) -> None:
        self._cluster = cluster
        self._memory = memory
        self._start_seconds = start_seconds
        self._lanes: list[Lane] = []
        self._events: queue.SimpleQueue[tuple[Lane, float, Any]] = queue.SimpleQueue()
        self._turns = itertools.count(1)
        self._failed_starts = 0
        self._past_cpu_seconds = 0.0
        self._parts: Any = None
        self.n_workers = 0
        self.restarted = 0

    def begin(
        self,
        parts: list[pickle.PickleBuffer],
        workers: int | None,
        share: int,
        runtime_env: Mapping[str, Any],
    ) -> None:
        """Send the function to the cluster and ask for the workers."""
        ray = self._cluster.ray
        self._store = importlib.import_module("ray.experimental.internal_kv")
        self.n_workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // share)
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
        for _ in range(self.n_workers):
            self._open()

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def close(self) -> None:
        """End the workers; those of a cluster of our own end with it."""
        for lane in [] if self._cluster.own else self._lanes:
            self.end(lane)
        self._lanes.clear()
        self._parts = None

    # -- what is said to workers, and by them ----------------------------------------------------------------

    def send(self, lane: Lane, runs: list[Run], patience: float) -> None:
        """Send runs to a worker; after `patience` seconds it gives back what it has not begun."""
        batch = Batch(next(self._turns), runs, time.monotonic())
        lane.batches.append(batch)
        arguments = [run.argument for run in runs]
        self._follow(lane, lane.actor.run.remote(batch.turn, arguments, patience))

    def next_event(self, seconds: float) -> tuple[Lane, float, Any] | None:
        """Return whose call has ended, when, and the call; None when none has within some seconds."""
        while True:
            try:
                event = self._events.get(timeout=seconds) if seconds > 0 else self._events.get(False)
            except queue.Empty:
                return None
            if event[0] in self._lanes:
                return event
            seconds = 0.0  # the worker was given up

    def note(self, lane: Lane) -> Note | None:
        """Return the note that a worker left last."""
        content = self._store._internal_kv_get(lane.key.encode())
        return None if content is None else Note(*pickle.loads(content))

    def pass_over(self, lane: Lane, batch: Batch) -> None:
        """Tell a worker that others do this batch, and those before it."""
        self._store._internal_kv_put((lane.key + ray_worker.PASS_OVER).encode(), str(batch.turn).encode())

    def _follow(self, lane: Lane, reference: Any) -> None:
        events = self._events
        reference.future().add_done_callback(lambda future: events.put((lane, time.monotonic(), future)))

    # -- the life of workers ---------------------------------------------------------------------------------

    def _open(self) -> None:
        key = f"{NOTES}{time.time_ns()}:{next(self._turns)}"
        actor = self._actors.remote(key, self._memory)
        lane = Lane(key, actor, time.monotonic())
        self._lanes.append(lane)
        self._follow(lane, actor.load.remote([self._parts], *self._place))

    def note_loaded(self, lane: Lane, process: int, place: str) -> None:
        """Note that a worker has the function."""
        lane.ready = True
        lane.process, lane.place = process, f"process {process} on {place}"
        self._failed_starts = 0

    def note_failed_start(self, error: BaseException) -> None:
        """Note that a worker died before it had the function; refuse to go on when too many did."""
        self._failed_starts += 1
        if self._failed_starts > max(3, self.n_workers):
            raise ExecutorError(
                f"the workers die before they have loaded the function ({self._failed_starts} in a row): "
                f"{one_line(str(error))}"
            ) from error

    def replace(self, lane: Lane) -> None:
        """End a worker, and ask for another one in its place."""
        self._past_cpu_seconds += lane.cpu_seconds
        self.restarted += 1
        self.end(lane)
        self._cluster.sweep(lane.process)
        self._lanes.remove(lane)
        self._open()

    def end(self, lane: Lane) -> None:
        """End a worker, and remove its notes."""
        try:
            self._cluster.ray.kill(lane.actor, no_restart=True)
            for key in (lane.key, lane.key + ray_worker.PASS_OVER):
                self._store._internal_kv_del(key.encode())
        except Exception:  # the cluster is gone
            return

    @property
    def ready(self) -> list[Lane]:
        """The lanes whose workers have loaded the function."""
        return [lane for lane in self._lanes if lane.ready]

    def demand_workers(self) -> None:
        """Refuse to wait longer for the first worker than was said."""
        if self.ready:
            return
        since = min(time.monotonic() - lane.asked for lane in self._lanes)
        if since > self._start_seconds:
            resources = self._cluster.ray.cluster_resources().get("CPU", 0)
            raise ExecutorError(
                f"no worker has been there for {since:.0f} s: the cluster has {resources:.0f} cores, and none is free"
            )

    @property
    def cpu_seconds(self) -> float:
        """What all workers have used, also those that are gone."""
        return self._past_cpu_seconds + sum(lane.cpu_seconds for lane in self._lanes if lane.ready)
