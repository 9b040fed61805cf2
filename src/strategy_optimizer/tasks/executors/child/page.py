"""The page that parent, guard and worker share: what runs since when, and what it uses.

Nobody waits for anybody: the worker notes a run in a microsecond, its guard looks ten times a second, and the parent
reads the guard's figures whenever it likes.
"""

from __future__ import annotations

import mmap
import struct
import time

SIZE = 128
IDLE = -1
_RUN = struct.Struct("=qqd")  # turn, number, when it began
_USE = struct.Struct(
    "=qqdqd"
)  # memory, most of this turn, processor seconds, processes, when it was measured
_WITHDRAWN = struct.Struct("=q")
_MEMORY = struct.Struct("=q")
_WITHDRAWN_AT, _MEMORY_AT, _USE_AT = 32, 40, 64


class Page:
    """One worker's part of the shared table.

    Parameters
    ----------
    table : mmap
        Shared by all.
    slot : int
        Which part.
    """

    def __init__(self, table: mmap.mmap, slot: int) -> None:
        self._table = table
        self._at = slot * SIZE
        self._turn = 0

    def clear(self) -> None:
        """Make it that of a worker which has not begun anything."""
        self._table[self._at : self._at + SIZE] = bytes(SIZE)
        _RUN.pack_into(self._table, self._at, 0, IDLE, 0.0)

    def begin(self, number: int) -> None:
        """Note that a run begins now; the worker says so."""
        self._turn += 1
        _RUN.pack_into(self._table, self._at, self._turn, number, time.monotonic())

    def end(self) -> None:
        """Note that it ended."""
        _RUN.pack_into(self._table, self._at, self._turn, IDLE, 0.0)

    def run(self) -> tuple[int, int, float]:
        """Return how many runs began so far, the number that runs now or `IDLE`, and when it began."""
        turn, number, began = _RUN.unpack_from(self._table, self._at)
        return turn, number, began

    def withdraw(self, number: int) -> None:
        """Note that a run which waits in the worker's pipe is not to be begun; the pool says so."""
        _WITHDRAWN.pack_into(self._table, self._at + _WITHDRAWN_AT, number)

    def is_withdrawn(self, number: int) -> bool:
        """Say whether a run was given to another worker meanwhile."""
        (withdrawn,) = _WITHDRAWN.unpack_from(self._table, self._at + _WITHDRAWN_AT)
        return bool(withdrawn == number)

    def narrow(self, memory: int) -> None:
        """Note how many bytes the next run may take; the parent says so before it begins."""
        _MEMORY.pack_into(self._table, self._at + _MEMORY_AT, memory)

    def memory(self) -> int:
        """Return how many bytes the run may take, 0 where its limits are those of all."""
        (memory,) = _MEMORY.unpack_from(self._table, self._at + _MEMORY_AT)
        return int(memory)

    def publish(self, memory: int, most: int, cpu_seconds: float, processes: int) -> None:
        """Note what the worker and all that it started use; its guard says so."""
        _USE.pack_into(
            self._table, self._at + _USE_AT, memory, most, cpu_seconds, processes, time.monotonic()
        )

    def use(self) -> tuple[int, int, float, int, float]:
        """Return memory now and at most in this turn, processor seconds, processes, and when it was measured."""
        memory, most, cpu_seconds, processes, at = _USE.unpack_from(self._table, self._at + _USE_AT)
        return memory, most, cpu_seconds, processes, at
