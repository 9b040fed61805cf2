"""The ledger on disk: a folder with one small file a task.

A file is written beside its place, brought to the disk and moved there in one step, and never changed. So tasks that
run at the same time cannot harm each other, and a crash costs at most the entry being written.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from strategy_optimizer.config import data_folder
from strategy_optimizer.tasks.files import replace_file
from strategy_optimizer.validation.ledger.encoding import UnreadableError, decode, encode
from strategy_optimizer.validation.ledger.entry import Entry, continued
from strategy_optimizer.validation.ledger.keeping import Reading

ENDING, UNFINISHED = ".entry", ".tmp"


class Ledger:
    """The entries in one folder; see `TrialLedger`.

    Parameters
    ----------
    folder : Path, optional
        By default ``ledger`` in the user's data folder. It is made with the first entry.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = data_folder() / "ledger" if folder is None else folder

    def read(self, beside: Entry | None = None) -> Reading:
        """Return all entries; a file that is damaged or of another version is named, not raised."""
        entries, unreadable = [], []
        for path in self._files(ENDING):
            try:
                entries.append(decode(path.read_bytes()))
            except FileNotFoundError:  # another process has just reset it
                continue
            except (OSError, UnreadableError):
                unreadable.append(path.name)
        entries.sort(key=lambda entry: entry.recorded)
        return Reading(tuple(entries), tuple(unreadable), str(self.folder))

    def add(self, entry: Entry) -> Entry:
        """Write an entry over what earlier sessions of the same task left, and return what was written.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        whole = continued(entry, self.find(entry.task_id))
        self.write(whole)
        return whole

    def find(self, task_id: str) -> Entry | None:
        """Return the entry of a task; None where there is none that can be read."""
        try:
            return decode(self._path(task_id).read_bytes())
        except (OSError, UnreadableError):
            return None

    def write(self, entry: Entry) -> None:
        """Add an entry, or replace that of the same task.

        Raises
        ------
        OSError
            The folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(entry.task_id)
        replace_file(path, encode(entry), path.with_suffix(f".{uuid.uuid4().hex}{UNFINISHED}"))

    def remove(self, entries: Iterable[Entry]) -> None:
        """Remove some entries."""
        for entry in entries:
            self._path(entry.task_id).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove everything, also what cannot be read or was left unfinished."""
        for path in self._files(ENDING, UNFINISHED):
            path.unlink(missing_ok=True)

    def _files(self, *endings: str) -> list[Path]:
        with suppress(FileNotFoundError):  # before the first entry
            return sorted(path for path in self.folder.iterdir() if path.suffix in endings)
        return []

    def _path(self, task_id: str) -> Path:
        return self.folder / f"{hashlib.sha256(task_id.encode()).hexdigest()[:32]}{ENDING}"
