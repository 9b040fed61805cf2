"""Files that are replaced at once, so that a crash leaves the old one or the new one and never a part."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, data: bytes, temporary: Path) -> None:
    """Put a file in the place of another in one step.

    Parameters
    ----------
    path : Path
    data : bytes
    temporary : Path
        In the same folder; written first, and gone at the end.

    Raises
    ------
    OSError
        The disk refuses; the old file is still whole.
    """
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk; not every system can open a folder."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
