"""The append-only file of trials in a checkpoint.

Layout: an 8-byte magic, then records. A record is a header (payload bytes, CRC-32 of the payload; both
uint32, little-endian) and a payload, see `trial_encoding`. Everything up to the offset that the state names is
whole; what a killed process left behind it is cut off.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.trial_encoding import add_frame, encode_frame, unpack_frame

MAGIC = b"SOTRIAL1"
_HEADER = struct.Struct("<II")
_MAX_ROWS = 65_536  # keeps a frame far below the 4 GiB of its header


class TrialFile:
    """Appends trials to a file and reads them back.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._descriptor: int | None = None

    # -- writing ---------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Start an empty file."""
        self._open(os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._write(MAGIC)

    def reopen(self, size: int) -> None:
        """Go on after the first `size` bytes; what follows them is cut off."""
        self._open(os.O_RDWR)
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            raise self._error("cannot be cut to its last whole trial", error) from error
        self.size = size

    def append(self, history: TrialHistory, start: int, stop: int) -> None:
        """Write the trials from `start` to `stop` and bring them to the disk.

        Raises
        ------
        CheckpointError
            When the disk is full or not writable; `size` then still names what is whole.
        """
        for first in range(start, stop, _MAX_ROWS):
            rows = history.rows(first, min(first + _MAX_ROWS, stop))
            payload = encode_frame(first, rows, history)
            self._write(_HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._error("cannot be brought to the disk", error) from error

    def close(self) -> None:
        """Close the file; harmless when it is not open."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    @property
    def _file(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def _open(self, flags: int) -> None:
        self.close()
        try:
            self._descriptor = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise self._error("cannot be opened", error) from error

    def _write(self, data: bytes) -> None:
        view, at = memoryview(data), self.size
        try:
            os.lseek(self._file, at, os.SEEK_SET)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            raise self._error("cannot be written; what was saved before is whole", error) from error
        self.size = at + len(data)

    def _error(self, what: str, error: OSError) -> CheckpointError:
        return CheckpointError(f"the checkpoint's trials {self.path} {what}: {error.strerror or error}")

    # -- reading ---------------------------------------------------------------------------------------------

    def read_into(self, history: TrialHistory, size: int) -> None:
        """Add the trials of the first `size` bytes to `history`.

        Raises
        ------
        CheckpointError
            When the file is shorter, or damaged.
        """
        for payload in self._payloads(size):
            head, columns = unpack_frame(payload)
            if head["first"] != len(history) or head["dims"] != history.space.n_dims:
                raise self._damaged(f"trial {len(history) + 1} is missing")
            add_frame(head, columns, history)

    def _payloads(self, size: int) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise self._damaged("it does not start as one")
                while file.tell() < size:
                    yield self._payload(file.read(_HEADER.size), file)
        except OSError as error:
            raise self._error("cannot be read", error) from error

    def _payload(self, header: bytes, file: Any) -> bytes:
        if len(header) < _HEADER.size:
            raise self._damaged("it is shorter than its state says")
        length, crc = _HEADER.unpack(header)
        payload: bytes = file.read(length)
        if len(payload) < length or zlib.crc32(payload) != crc:
            raise self._damaged(f"the record that ends at byte {file.tell()} is not what was written")
        return payload

    def _damaged(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"the checkpoint's trials {self.path} are damaged: {what}; start in another folder"
        )
