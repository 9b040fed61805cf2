"""What was made for a client who has not read it yet: on the disk, bounded for each user."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from strategy_optimizer.errors import ComputationError

SEGMENT = 16 << 20
"""Bytes of a file; what was read is freed file by file."""
PIECE = 64 << 10
"""Bytes that are read at once."""


class Space:
    """Bytes that users have on the disk, and may have.

    Parameters
    ----------
    of_user : int
    """

    def __init__(self, of_user: int) -> None:
        self._of_user = of_user
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()

    @property
    def used(self) -> int:
        """Bytes of all users."""
        with self._lock:
            return self._used.total()

    def take(self, user: str, size: int) -> bool:
        """Take bytes for a user, and return whether there was room; there is for one block, however large."""
        with self._lock:
            used = self._used[user]
            if used and used + size > self._of_user:
                return False
            self._used[user] = used + size
            return True

    def give_back(self, user: str, size: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._used[user] -= size
            if not self._used[user]:
                del self._used[user]


@dataclass
class _Segment:
    """A part of what waits, and how far it is written and read."""

    file: IO[bytes]
    written: int = 0
    read: int = 0


class Spool:
    """Bytes in the order in which they came, from one thread that makes them to one that sends them.

    Parameters
    ----------
    folder : Path
        Where its files lie; they have no names, so they are gone with this process.
    space : Space
    user : str
        Whose space it takes.
    news : callable
        Called when there is more to read, or the end.
    """

    def __init__(self, folder: Path, space: Space, user: str, news: Callable[[], None]) -> None:
        self._folder = folder
        self._space = space
        self._user = user
        self._news = news
        self._lock = threading.Lock()
        self._segments: deque[_Segment] = deque()
        self._is_disk_full = False
        self._is_closed = False
        self._end: BaseException | bool = False

    def put(self, block: bytes) -> bool:
        """Add a block, and return whether there was room for it; after closing there is, and it is thrown away."""
        with self._lock:
            if self._is_closed or not block:
                return True
            if self._is_disk_full and self._segments:
                return False
            if not self._space.take(self._user, len(block)):
                return False
            self._write(block)
        self._news()
        return True

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes, and why, where that is a mistake."""
        with self._lock:
            self._end = error or True
        self._news()

    def read(self) -> bytes | None:
        """Return the next bytes, none when there are none yet, None at the end.

        Raises
        ------
        BaseException
            With which it was finished.
        ComputationError
            When it was closed: what was read is not all.
        """
        with self._lock:
            if self._is_closed:
                raise ComputationError("the file was given up before its end")
            if self._segments:
                return self._read()
            if isinstance(self._end, BaseException):
                raise self._end
            return None if self._end else b""

    def close(self) -> None:
        """Throw away what was not read."""
        with self._lock:
            self._is_closed = True
            for segment in self._segments:
                self._space.give_back(self._user, segment.written - segment.read)
                segment.file.close()
            self._segments.clear()
        self._news()

    def _write(self, block: bytes) -> None:
        try:
            segment = self._open_segment()
            segment.file.seek(segment.written)
            _write_all(segment.file, block)
        except OSError:  # it waits in memory, and whoever makes it waits until it is read
            self._is_disk_full = True
            if self._segments and not self._segments[-1].written:
                self._segments.pop().file.close()
            segment = _Segment(io.BytesIO(block))
            self._segments.append(segment)
        segment.written += len(block)

    def _open_segment(self) -> _Segment:
        if not self._segments or self._segments[-1].written >= SEGMENT:
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  (until it is read)
            self._segments.append(_Segment(file))
        return self._segments[-1]

    def _read(self) -> bytes:
        segment = self._segments[0]
        segment.file.seek(segment.read)
        piece = segment.file.read(min(PIECE, segment.written - segment.read))
        segment.read += len(piece)
        self._space.give_back(self._user, len(piece))
        if segment.read == segment.written:
            self._segments.popleft().file.close()
            self._is_disk_full = self._is_disk_full and bool(self._segments)
        return piece


def _write_all(file: IO[bytes], block: bytes) -> None:
    """Write a block to a file without a buffer, which may take a part at a time."""
    left = memoryview(block)
    while left:
        left = left[file.write(left) :]
