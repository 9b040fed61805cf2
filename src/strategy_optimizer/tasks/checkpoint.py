"""A search on disk: a folder with an append-only file of trials and a small state that is replaced at once.

The state names how many bytes of the trials belong to it, so the two always agree: trials are written and
brought to the disk first, then the state replaces the old one in a single step. A killed process loses
what came after its last save and nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.tasks.checkpoint_folder import STATE, CheckpointFolder, check_identity
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.trial_file import TrialFile

FORMAT = 2
INTERVAL = 0.5
"""Seconds between two saves."""
TRIALS = "trials.bin"


class SearchCheckpoint(Protocol):
    """Where a search is saved: in a folder, or in a store."""

    @property
    def place(self) -> str:
        """What people call it."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the trials in it."""
        ...

    def load(self, history: TrialHistory) -> Mapping[str, Any] | None:
        """Fill `history` and return the state that was saved with it; None when the search is new."""
        ...

    def due(self) -> bool:
        """Return whether the last save is long enough ago."""
        ...

    def save(self, history: TrialHistory, state: Callable[[], Mapping[str, Any]]) -> None:
        """Save new trials and the search's state after them, all or nothing."""
        ...

    def close(self) -> None:
        """Let it go: nothing is saved or read any more."""
        ...


class Checkpoint:
    """Saves a search into a folder and brings it back.

    Parameters
    ----------
    folder : str or Path
        Made when missing. One search each.
    identity : mapping
        Everything that must not change between sessions, as JSON values: data, strategy, space,
        objective, rules, seed, optimizer, version. Nested mappings are compared entry by entry.
    resume : bool
        Continue the search in the folder; otherwise the folder must not hold one.

    Raises
    ------
    CheckpointError
        When the folder holds a search already (or none, to resume), the search differs in something of
        `identity` (each difference is named), another process runs it, or the disk refuses.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], *, resume: bool = False) -> None:
        self.folder = Path(folder)
        self.identity = json.loads(json.dumps(identity))  # as it will be read back
        self.n_saved = 0
        self._trials = TrialFile(self.folder / TRIALS)
        self._last = -float("inf")
        self._files = CheckpointFolder(self.folder, resume, TRIALS)
        try:
            self._saved = self._open(resume)
        except BaseException:
            self.close()
            raise

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def size(self) -> int:
        """Bytes of the file of trials."""
        return self._trials.size

    def close(self) -> None:
        """Close the files and give the lock back."""
        self._trials.close()
        self._files.release()

    # -- reading ---------------------------------------------------------------------------------------------

    def load(self, history: TrialHistory) -> dict[str, Any] | None:
        """Fill `history` and return the state that was saved with it; None when the search is new."""
        if self._saved is None:
            return None
        log = self._saved["log"]
        self._trials.read_into(history, log["size"])
        if len(history) != log["trials"]:
            raise CheckpointError(
                f"the checkpoint {self.folder} has {len(history)} trials, its state says {log['trials']}; "
                "it is damaged, start in another folder"
            )
        self._trials.reopen(log["size"])
        self.n_saved = len(history)
        state: dict[str, Any] = self._saved["search"]
        return state

    def _open(self, resume: bool) -> dict[str, Any] | None:
        if not (self.folder / STATE).exists():
            # Killed before its first save: nothing is lost by starting again.
            self._trials.create()
            return None
        state = self._read()
        if not resume:
            raise CheckpointError(
                f"the folder {self.folder} holds a search of {state['log']['trials']:,} trials already; "
                "resume it (resume=True, --resume), or choose another folder"
            )
        check_identity(self.folder, state["identity"], self.identity)
        return state

    def _read(self) -> dict[str, Any]:
        path = self.folder / STATE
        try:
            state = json.loads(self._files.read(STATE))
            found = state["format"]
            if found == FORMAT:
                _ = state["identity"], state["search"], state["log"]["size"], state["log"]["trials"]
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"the checkpoint {path} is damaged: {error!r}; start in another folder"
            ) from error
        if found != FORMAT:
            raise CheckpointError(
                f"the checkpoint {path} has the format {found!r}, this version reads {FORMAT}; "
                "start in another folder"
            )
        return dict(state)

    # -- writing ---------------------------------------------------------------------------------------------

    def due(self) -> bool:
        """Return whether the last save is long enough ago."""
        return time.monotonic() - self._last >= INTERVAL

    def save(self, history: TrialHistory, state: Callable[[], Mapping[str, Any]]) -> None:
        """Bring new trials and the search's state to the disk.

        Parameters
        ----------
        history : TrialHistory
            Trials that were saved before are not written again.
        state : callable
            Returns what `load` gives back, as JSON values.

        Raises
        ------
        CheckpointError
            When the disk refuses; the save before this one is still whole.
        """
        before = self._trials.size
        try:
            self._trials.append(history, self.n_saved, len(history))
            self._files.replace(STATE, self._document(history, state()))
        except BaseException:
            self._trials.size = before  # the next save writes over what no state names
            raise
        self.n_saved = len(history)
        self._last = time.monotonic()

    def _document(self, history: TrialHistory, state: Mapping[str, Any]) -> str:
        document = {
            "format": FORMAT,
            "identity": self.identity,
            "log": {"size": self._trials.size, "trials": len(history)},
            "search": state,
        }
        return json.dumps(document, separators=(",", ":"), allow_nan=False)
