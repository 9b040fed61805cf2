"""What parent and worker say to each other: a header of fixed size, then so many bytes."""

from __future__ import annotations

import os
import struct

JOB, END = 1, 2
"""Parent to worker: run this argument; end yourself."""
READY, NOT_LOADED, VALUE, RAISED, OUT_OF_MEMORY, UNREADABLE, SKIPPED = 11, 12, 13, 14, 15, 16, 17
"""Worker to parent: how loading the function went, and how a run ended."""

HEADER = struct.Struct("<Bqqdq")  # kind, number, bytes that follow, seconds, resident bytes of the worker


def pack(kind: int, number: int = 0, payload: bytes = b"", seconds: float = 0.0, memory: int = 0) -> bytes:
    """Return a frame's bytes."""
    return HEADER.pack(kind, number, len(payload), seconds, memory) + payload


def write(file: int, frame: bytes) -> None:
    """Write the whole frame, however often it takes."""
    rest = memoryview(frame)
    while rest:
        rest = rest[os.write(file, rest) :]


def read(file: int) -> tuple[int, int, bytes] | None:
    """Wait for the next frame: its kind, number and payload; None when the other side is gone."""
    header = _read(file, HEADER.size)
    if header is None:
        return None
    kind, number, size, _, _ = HEADER.unpack(header)
    payload = _read(file, size)
    return None if payload is None else (kind, number, payload)


def _read(file: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(file, min(size, 2**20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
