"""How the API and its child processes talk: frames of a kind and bytes over pipes; nothing is unpickled."""

from __future__ import annotations

import struct
from typing import BinaryIO

SETTINGS, REQUEST, BLOCK, RESULT, ERROR = (kind.encode() for kind in "SQBRE")
"""The first frame to a child; what it is to do; from it: a piece of a file, what it found, why it did not."""
_HEAD = struct.Struct("<cI")
Frame = tuple[bytes, bytes]


def write_frame(file: BinaryIO, kind: bytes, payload: bytes) -> None:
    """Write one frame at once."""
    file.write(_HEAD.pack(kind, len(payload)) + payload)
    file.flush()


def read_frame(file: BinaryIO) -> Frame | None:
    """Return the next frame, None when the other side is gone."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, size = _HEAD.unpack(head)
    payload = file.read(size)
    return (kind, payload) if len(payload) == size else None
