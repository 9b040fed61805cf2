"""The folder of a checkpoint, of a search or of a walk-forward: locked, with files that are replaced at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.tasks.files import replace_file
from strategy_optimizer.tasks.lock import FileLock

STATE, TEMPORARY, LOCK = "state.json", "state.tmp", "lock"


class CheckpointFolder:
    """A folder that this process alone writes, until `release`.

    Parameters
    ----------
    path : Path
        Made when missing.
    resume : bool
        Continue what is in it: then there must be a trace of an earlier session.
    *files : str
        What an earlier session may have left, beside its state and its lock.

    Raises
    ------
    CheckpointError
        When there is nothing to resume, another process has the folder, or the disk refuses.
    """

    def __init__(self, path: Path, resume: bool, *files: str) -> None:
        self.path = path
        self._lock = FileLock(path / LOCK)
        # A process killed before its first save leaves its lock behind: there is a session, which saved nothing.
        if resume and not any((path / name).exists() for name in (STATE, LOCK, *files)):
            raise CheckpointError(f"there is no checkpoint {path} to resume")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint's folder {path} cannot be made: {error.strerror or error}"
            ) from error
        self._lock.acquire()

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def read(self, name: str) -> str:
        """Return the text of a file."""
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {path} cannot be read: {error.strerror or error}"
            ) from error

    def replace(self, name: str, text: str) -> None:
        """Write a file beside its place and move it there in one step."""
        path = self.path / name
        try:
            replace_file(path, text.encode(), self.path / TEMPORARY)
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint {path} cannot be written; what was saved before is whole: "
                f"{error.strerror or error}"
            ) from error


def check_identity(
    place: Path | str, saved: Mapping[str, Any], identity: Mapping[str, Any], kind: str = "search"
) -> None:
    """Refuse to continue what is another search, and name each difference.

    Parameters
    ----------
    place : Path or str
        Where the checkpoint is.
    saved, identity : mapping
        What it says, and what is to be continued, as JSON values. Nested mappings are compared entry by entry.
    kind : str
        What it is a checkpoint of, for the error.

    Raises
    ------
    CheckpointError
        When they differ.
    """
    changes = [
        f"{name}: was {_short(old)}, is {_short(new)}" for name, old, new in _differences(saved, identity)
    ]
    if changes:
        raise CheckpointError(
            f"the checkpoint {place} belongs to another {kind}; {'; '.join(changes)}. "
            "Give the same values, or start in another folder"
        )


def _differences(old: Any, new: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif old != new:
        yield name, old, new


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 80 else text[:77] + "..."
