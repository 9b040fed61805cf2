"""Finished trials on disk, shared by tasks and processes; whatever happens to the file, the search goes on."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self, TypeVar

from strategy_optimizer.config import cache_folder
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.trial_cache.cache_file import LEAST_BYTES, SCHEMA, CacheFile, OtherSchemaError
from strategy_optimizer.tasks.trial_cache.cached_trial import CachedTrial, DamagedError
from strategy_optimizer.tasks.trial_cache.hit_count import HitCount

T = TypeVar("T")
MAX_BYTES = 2**29
MIN_SECONDS = 0.005
"""A faster trial is computed again: storing and finding it would take a good part of that."""
MOST_TOUCHES = 256  # uses that are noted together
MOST_BUSY = 3  # times in a row that another process held the file for seconds
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def default_path() -> Path:
    """Return where the trials of this version's schema are kept: in the user's cache folder."""
    return cache_folder() / f"trials-{SCHEMA}.sqlite"


@dataclass(frozen=True)
class CacheStatus:
    """What the file holds.

    Attributes
    ----------
    trials : int
    size, max_bytes : int
        Bytes in use, and the most there may be.
    seconds : float
        What the trials took to compute.
    """

    trials: int = 0
    size: int = 0
    max_bytes: int = MAX_BYTES
    seconds: float = 0.0


class TrialCache:
    """Finished trials by key, in one SQLite file that many processes read and write at once.

    Only completed trials that took at least `min_seconds` are kept. A failed one is not: what raised in this process,
    on this day, may not raise in the next.

    Nothing that happens to the file is an error of the search. A full disk, a folder that cannot be written to or a
    file that another process does not let go cost what is cached; a damaged file is set aside (``.damaged``) and begun
    anew. Each is said once, and stands in `problem`.

    Parameters
    ----------
    path : str or Path, optional
        By default ``trials-1.sqlite`` in the user's cache folder. Opened when it is first used.
    max_bytes : int
        Those trials make room that were used longest ago. Default: 512 MB.
    min_seconds : float
        Default: 5 ms.
    say : callable, optional
        Receives what goes wrong, in a sentence; by default a warning is given.

    Attributes
    ----------
    count : HitCount
    problem : str or None
        The last thing that went wrong.

    Raises
    ------
    TaskError
        When `max_bytes` is too few; at the first use, when the file is another program's database.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        max_bytes: int = MAX_BYTES,
        *,
        min_seconds: float = MIN_SECONDS,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if max_bytes < LEAST_BYTES:
            raise TaskError(
                f"the trial cache may have {max_bytes:,} bytes; expected at least {LEAST_BYTES:,}"
            )
        self.path = default_path() if path is None else Path(path)
        self.max_bytes = max_bytes
        self.min_seconds = min_seconds
        self.count = HitCount()
        self.problem: str | None = None
        self._say = say
        self._forget_file()

    def _forget_file(self) -> None:
        self._file: CacheFile | None = None
        self._process = os.getpid()
        self._touched: list[bytes] = []
        self._readable = self._writable = True
        self._was_damaged = False
        self._busy = 0
        self._opened: int | None = None  # the file's inode: another one is another process's new file
        self._lock = RLock()

    # -- trials

    def get(self, key: bytes) -> CachedTrial | None:
        """Return the trial of this key; None when it is not known."""
        with self._current():
            trial = self._read(key)
            self.count.note(trial is not None)
            if trial is not None:
                self._touched.append(key)
                if len(self._touched) >= MOST_TOUCHES:
                    self._note_uses()
            return trial

    def put(self, key: bytes, trial: CachedTrial) -> bool:
        """Keep a trial; return whether it was worth keeping and could be. Of two with one key the first stays."""
        if trial.failure is not None or trial.seconds < self.min_seconds:
            return False
        value = trial.to_bytes()
        if len(value) > self.max_bytes // 8:
            return False
        with self._current():
            touched, self._touched = self._touched, []

            def write(file: CacheFile) -> bool:
                file.write(key, value, trial.seconds, touched)
                return True

            return self._writable and self._tried(write, False, writes=True)

    def clear(self) -> bool:
        """Forget all trials, those of other processes too; return whether it could be done."""

        def clear(file: CacheFile) -> bool:
            file.clear()
            return True

        with self._current():
            self._touched = []
            return not self.path.exists() or self._tried(clear, False, writes=True)

    def close(self) -> None:
        """Note what was used last, and close the file; a later use opens it again."""
        with self._current():
            if self._file is not None:
                self._note_uses()
            self._drop()

    # -- figures

    @property
    def hit_rate(self) -> float:
        """Share of `get` that found its trial."""
        return self.count.rate

    @property
    def size(self) -> int:
        """Bytes in use; 0 when there is no file."""
        with self._current():
            return self._tried(lambda file: file.size, 0) if self.path.exists() else 0

    def status(self) -> CacheStatus:
        """Return what the file holds; nothing where it cannot be read."""
        nothing = CacheStatus(max_bytes=self.max_bytes)
        with self._current():
            if not self.path.exists():
                return nothing
            return self._tried(self._status_of, nothing)

    def _status_of(self, file: CacheFile) -> CacheStatus:
        trials, seconds = file.stored()
        return CacheStatus(trials, file.size, self.max_bytes, seconds)

    def __len__(self) -> int:
        return self.status().trials

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker process needs to open the file itself."""
        return {
            "path": self.path,
            "max_bytes": self.max_bytes,
            "min_seconds": self.min_seconds,
            "say": self._say,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state.pop("path"), **state)  # type: ignore[misc]

    # -- the file and what happens to it

    @contextmanager
    def _current(self) -> Iterator[None]:
        """Hold the lock; a forked process gets one, and a connection, of its own."""
        if self._process != os.getpid():
            self._inherited = self._file  # SQLite must not even close it here
            self._forget_file()
        with self._lock:
            yield

    def _read(self, key: bytes) -> CachedTrial | None:
        value = self._tried(lambda file: file.read(key), None)
        if value is None:
            return None
        try:
            return CachedTrial.from_bytes(value)
        except DamagedError:
            self._tried(lambda file: file.remove(key), None, writes=True)
            return None

    def _note_uses(self) -> None:
        touched, self._touched = self._touched, []
        if touched and self._writable:
            self._tried(lambda file: file.touch(touched), None, writes=True)

    def _tried(self, action: Callable[[CacheFile], T], otherwise: T, *, writes: bool = False) -> T:
        """Return what the action returns; `otherwise` where the file does not let it."""
        if not self._readable:
            return otherwise
        try:
            if self._file is None:
                self._file = self._open()
            result = action(self._file)
            self._busy = 0
            return result
        except OtherSchemaError as error:
            self._set_aside(str(error))
        except sqlite3.Error as error:
            self._cope(error, writes)
        except OSError as error:
            self._go_without(f"cannot be used ({error.strerror or error})")
        return otherwise

    def _open(self) -> CacheFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._opened = self._inode()
        return CacheFile(self.path, self.max_bytes)

    def _cope(self, error: sqlite3.Error, writes: bool) -> None:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _BUSY:
            self._busy += 1
            if self._busy >= MOST_BUSY:
                self._go_without(f"is held by another process ({error})")
        elif code in _DAMAGED:
            self._set_aside(str(error))
        elif writes and self._file is not None:
            self._writable = False
            self._tell(f"cannot be written to ({error}); trials that it knows are still found")
        else:
            self._go_without(f"cannot be used ({error})")

    def _set_aside(self, why: str) -> None:
        """Move a damaged file out of the way; the next use begins a new one."""
        opened = self._opened if self._file is None else self._file.inode
        self._drop()
        if self._was_damaged:
            self._go_without(f"is damaged again ({why})")
            return
        self._was_damaged = True
        if opened != self._inode():
            return  # another process has begun a new one already
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            self._go_without(f"is damaged ({why}) and cannot be set aside ({error.strerror or error})")
            return
        self._tell(
            f"was damaged or of another version ({why}); it was set aside as {aside.name} and begun anew"
        )

    def _inode(self) -> int | None:
        try:
            return self.path.stat().st_ino
        except OSError:
            return None

    def _go_without(self, why: str) -> None:
        self._drop()
        self._readable = self._writable = False
        self._tell(f"{why}; the search goes on without it")

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _tell(self, what: str) -> None:
        self.problem = f"the trial cache {self.path} {what}"
        if self._say is None:
            warnings.warn(self.problem, stacklevel=2)
        else:
            self._say(self.problem)
