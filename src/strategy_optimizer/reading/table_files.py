"""Tables of long tasks on the disk: made by a child process when they are first sorted or searched, then kept."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.reading.history_query import RisingOrder
from strategy_optimizer.reading.table_folder import TableFolder
from strategy_optimizer.reading.trial_table import TrialTable
from strategy_optimizer.storage import TaskRecord
from strategy_optimizer.tasks.lock import FileLock

LIMIT = 1 << 30
"""Bytes of all files; a million trials of five parameters take 210 MB and 4 MB for each order."""
_PREFIX, _LOCK = "tables-", "lock"


class Run(Protocol):
    """Runs a function of `strategy_optimizer.reading.functions` for a user, in a child process."""

    def __call__(self, function: str, arguments: Mapping[str, Any], *, user: str) -> bytes:
        """Return what it finds, as JSON."""


@dataclass
class _Kept:
    """The files of one task, and the lock under which they are brought up to date."""

    files: TableFolder
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class TableFiles:
    """Keeps tables in a folder of its own, the newest used.

    Parameters
    ----------
    parent : Path
        Where the folder is made; folders of processes that have died are removed from there.
    run : Run
    limit : int
        Bytes.
    """

    def __init__(self, parent: Path, run: Run, limit: int = LIMIT) -> None:
        self.limit = limit
        self._parent = parent
        self._run = run
        self._root: Path | None = None
        self._owner: FileLock | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        with self._lock:
            return sum(kept.size for kept in self._kept.values())

    def read(self, task: TaskRecord, sort: str, user: str) -> tuple[TrialTable, RisingOrder | None]:
        """Return the table of all trials that a task has, and their order by a number, for a user who asks.

        Raises
        ------
        ObjectiveError
            The trials have no such number.
        ComputationError
            The child process that reads them failed, or is busy.
        """
        kept = self._find(task)
        with kept.lock:
            files = kept.files
            if not files.has(task.trials, sort):
                asked = {"task_id": task.id, "trials": task.trials, "folder": str(files.path), "sort": sort}
                found = json.loads(self._run("index", asked, user=user))
                kept.files = files = TableFolder(files.path, **found)
                kept.size = files.size
            read = files.table(task.trials), files.order(sort, task.trials)
        self._forget()
        return read

    def close(self) -> None:
        """Remove all files."""
        with self._lock:
            self._kept.clear()
            if self._owner is not None:
                self._owner.release()
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
                self._root = None

    def _find(self, task: TaskRecord) -> _Kept:
        name = hashlib.sha256(f"{task.id} {task.created.isoformat()}".encode()).hexdigest()[:32]
        with self._lock:
            if name not in self._kept:
                path = self._folder() / name
                path.mkdir(mode=0o700)
                self._kept[name] = _Kept(TableFolder.open(path))
            self._kept.move_to_end(name)
            return self._kept[name]

    def _folder(self) -> Path:
        if self._root is None:
            self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_abandoned(self._parent)
            self._root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            self._owner = FileLock(self._root / _LOCK)
            self._owner.acquire()
        return self._root

    def _forget(self) -> None:
        """Remove the tables that were not used for the longest time; who reads one now has its files open."""
        with self._lock:
            while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > self.limit:
                name = next(iter(self._kept))
                if not self._kept[name].lock.acquire(blocking=False):
                    return  # it is being brought up to date
                kept = self._kept.pop(name)
                shutil.rmtree(kept.files.path, ignore_errors=True)
                kept.lock.release()


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        lock = FileLock(path / _LOCK)
        with suppress(CheckpointError):
            lock.acquire()
            shutil.rmtree(path, ignore_errors=True)
            lock.release()
