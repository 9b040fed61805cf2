"""Who works on this machine: a locked file per worker, so that a death is noticed at once and not after a lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.tasks.lock import FileLock

ENDING = ".lock"
ATTEMPTS = 20


class Presence:
    """Says that a worker lives, and finds those that do not any more.

    Parameters
    ----------
    folder : Path
        Of the workers of one store. Only those whose name begins with this machine's are looked at: another one's
        locks may not be seen here.
    name : str
        Of this worker.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._own = folder / f"{name}{ENDING}"
        self._lock = FileLock(self._own)
        self._machine = socket.gethostname()[:40]

    def begin(self) -> None:
        """Say that this worker lives.

        Raises
        ------
        CheckpointError
            When another one of the same name does.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(ATTEMPTS):
            try:
                self._lock.acquire()
            except CheckpointError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                if self._own.exists():
                    return
                self._lock.release()
            time.sleep(0.05)  # another worker looks at the new file, and may take it for that of a dead one

    def dead(self) -> Iterator[str]:
        """Yield the names of workers of this machine that died; each is forgotten when the next is asked for."""
        for path in sorted(self._folder.glob(f"{self._machine}*{ENDING}")):
            if path == self._own:
                continue
            lock = FileLock(path)
            try:
                lock.acquire()
            except CheckpointError:  # it lives
                continue
            try:
                yield path.name.removesuffix(ENDING)
                path.unlink(missing_ok=True)
            finally:
                lock.release()

    def end(self) -> None:
        """Say that this worker has ended, and left nothing behind."""
        self._own.unlink(missing_ok=True)
        self._lock.release()
