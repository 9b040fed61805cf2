"""A lock on a file that dies with its process, so that a killed one leaves nothing to clean up."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from strategy_optimizer.errors import CheckpointError


class FileLock:
    """An exclusive lock held from `acquire` to `release`; the file stays, holding the owner's process id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise a `CheckpointError` that names the process that has it."""
        try:
            file = self._path.open("a+", encoding="ascii")
        except OSError as error:
            raise CheckpointError(f"the checkpoint's lock {self._path} cannot be opened: {error}") from error
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "?"
            file.close()
            raise CheckpointError(
                f"another process ({owner}) is running the checkpoint {self._path.parent}; "
                "wait for it, or use another folder"
            ) from error
        self._file = file
        self._write_owner(file)

    def _write_owner(self, file: IO[str]) -> None:
        """Name the owner for the message above; a full disk is no reason not to run."""
        try:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        except OSError:
            return

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _lock(file: IO[str]) -> None:
    try:
        import fcntl  # not on Windows
    except ImportError:  # pragma: no cover
        import msvcrt

        # Byte 1 GiB: the process id at the start of the file stays readable.
        file.seek(2**30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
