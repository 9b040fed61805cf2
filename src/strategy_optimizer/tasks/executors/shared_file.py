"""Files without a name: several processes map them, and they are gone with the last of these, however it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path


def nameless_file(label: str) -> int:
    """Return an open file in memory, or on disk where the system has no such thing."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"strategy-optimizer-{label}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    file, name = tempfile.mkstemp(dir=folder)
    Path(name).unlink()
    return file


def write_parts(file: int, parts: Sequence[bytes | memoryview]) -> None:
    """Write one after the other, then let nobody change them any more."""
    for part in parts:
        rest = memoryview(part).cast("B")
        while rest:
            rest = rest[os.write(file, rest[: 2**30]) :]
    _seal(file)


def _seal(file: int) -> None:
    try:
        import fcntl

        kinds = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, kinds)
    except (ImportError, AttributeError, OSError):
        return  # not a file in memory
