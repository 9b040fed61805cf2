"""What runs in the worker processes of a Ray cluster: it has the function and runs batches of arguments.

Nodes need not have this package: the class is sent to them with its code, so it uses the standard library
and Ray alone.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from strategy_optimizer.tasks.executors.child.tree import descendants, send, use_of
from strategy_optimizer.tasks.executors.child.words import error_text
from strategy_optimizer.tasks.executors.child.worker import call, dumped

Entry: TypeAlias = tuple[Literal["value", "raised", "memory_limit", "unreadable"], Any, float, str]
"""How one run ended: the pickled value or what happened, its seconds, and the traceback."""

DETAILS = 4000

LOOK_EVERY = 0.05
LONG = 0.25
"""A run of a batch that takes so many seconds is told to the executor, with what the batch has so far."""


PASS_OVER = ":pass over"
"""After the key: the last turn that others have done meanwhile."""


class Reply(NamedTuple):
    """What a batch gave, in the order of its arguments; what is missing at its end did not begin."""

    entries: list[Entry]
    memory: int
    cpu_seconds: float


class Note(NamedTuple):
    """Where a batch stands while one of its runs takes long, or why the process ended itself."""

    turn: int
    entries: list[Entry]
    seconds: float
    memory: int | None = None


class RayWorker:
    """One worker process.

    Parameters
    ----------
    key : str
        Names it in the cluster's store of notes.
    memory : int or None
        Bytes that it and what it started may use.
    """

    def __init__(self, key: str, memory: int | None) -> None:
        self._key = key.encode()
        self._memory = memory
        self._function: Callable[[Any], Any] | None = None
        self._lock = threading.Lock()
        self._turn = 0
        self._entries: list[Entry] = []
        self._began: float | None = None
        self._noted = False

    def load(self, parts: list[Any], path: list[str], folder: str | None) -> tuple[int, str, str]:
        """Rebuild the function from what the object store has; returns process, node, and why it failed.

        Parameters
        ----------
        parts : list
            A reference to the pickled function and its arrays.
        path : list of str
            Where the sender finds modules; what of it exists here is searched, too.
        folder : str or None
            Where to work, if not where Ray says.
        """
        import ray

        sys.path.extend(entry for entry in path if entry not in sys.path and Path(entry).exists())
        if folder is not None:
            os.chdir(folder)
        place = os.getpid(), ray.util.get_node_ip_address()
        self._parts = ray.get(parts[0])  # its arrays are used where they lie
        _find_cloudpickle()
        try:
            self._function = pickle.loads(self._parts[0], buffers=self._parts[1:])
        except BaseException as error:
            return *place, error_text(error)
        threading.Thread(target=self._watch, daemon=True).start()
        return *place, ""

    def run(self, turn: int, arguments: list[bytes], patience: float) -> Reply:
        """Run the arguments one by one; after `patience` seconds what did not begin goes back."""
        with self._lock:
            was_long, self._turn, self._entries, self._noted = self._noted, turn, [], False
        if was_long and self._is_done_elsewhere(turn):
            return self._reply()
        end = time.monotonic() + patience
        for argument in arguments:
            with self._lock:
                if self._noted or (self._entries and time.monotonic() > end):
                    break
                self._began = time.monotonic()
            entry = self._run(argument)
            with self._lock:
                self._began = None
                self._entries.append(entry)
        return self._reply()

    def _reply(self) -> Reply:
        return Reply(self._entries, *use_of([os.getpid(), *descendants(os.getpid())]))

    def _is_done_elsewhere(self, turn: int) -> bool:
        from ray.experimental.internal_kv import _internal_kv_get

        last = _internal_kv_get(self._key + PASS_OVER.encode())
        return last is not None and turn <= int(last)

    def _run(self, argument: bytes) -> Entry:
        began = time.perf_counter()
        try:
            value = call(self._function, pickle.loads(argument))  # type: ignore[arg-type]
        except MemoryError as error:
            return _failed("memory_limit", error, began)
        except BaseException as error:
            return _failed("raised", error, began)
        seconds = time.perf_counter() - began
        try:
            return "value", dumped(value), seconds, ""
        except BaseException as error:
            return _failed("unreadable", error, began)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            with self._lock:
                began = self._began
                if began is None:
                    continue
                seconds = time.monotonic() - began
                tell = seconds > LONG and not self._noted
                self._noted |= tell
                note = Note(self._turn, list(self._entries), seconds)
            if tell:
                self._tell(note)
            if self._memory is not None:
                self._weigh(note)

    def _weigh(self, note: Note) -> None:
        children = descendants(os.getpid())
        memory, _ = use_of([os.getpid(), *children])
        if memory > self._memory:  # type: ignore[operator]
            self._tell(note._replace(memory=memory))
            for child in children:
                send(child, 9)
            os._exit(1)

    def _tell(self, note: Note) -> None:
        from ray.experimental.internal_kv import _internal_kv_put

        with suppress(Exception):  # without it the executor learns the same, later
            _internal_kv_put(self._key, pickle.dumps(tuple(note)), overwrite=True)


def _failed(
    kind: Literal["raised", "memory_limit", "unreadable"], error: BaseException, began: float
) -> Entry:
    return kind, error_text(error), time.perf_counter() - began, traceback.format_exc()[-DETAILS:]


def _find_cloudpickle() -> None:
    """Let functions that were sent with their code find cloudpickle; Ray carries one where there is none."""
    try:
        import cloudpickle
    except ImportError:
        from ray import cloudpickle

        sys.modules["cloudpickle"] = cloudpickle
        sys.modules["cloudpickle.cloudpickle"] = cloudpickle.cloudpickle
