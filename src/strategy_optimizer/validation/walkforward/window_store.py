"""A walk-forward on disk: a folder with one small file for each window whose search is done.

A file is written beside its place and moved there in one step. A killed process loses the windows that were being
searched and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strategy_optimizer.errors import CheckpointError, OptimizerStateError
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.tasks.checkpoint_folder import STATE, CheckpointFolder, check_identity
from strategy_optimizer.validation.ledger import KeySet, SharpeSpread, Sketch, Trials
from strategy_optimizer.validation.walkforward.choices import Choice, Searched

FORMAT = 2
_PLAIN = [field.name for field in fields(Choice) if field.name != "train"]


class WindowStore:
    """Keeps the windows that are done, and brings them back.

    Parameters
    ----------
    folder : str or Path
        Made when missing. One walk-forward, or one matrix, each.
    identity : mapping
        Everything that the choices depend on, as JSON values.
    resume : bool
        Continue what is in the folder; otherwise it must not hold any.

    Attributes
    ----------
    settings : dict or None
        The optimizer's settings that the earlier session had, what it measured among them; None in the first.

    Raises
    ------
    CheckpointError
        When the folder holds a walk-forward already (or none, to resume), it differs in something of `identity` (each
        difference is named), another process runs it, or the disk refuses.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], *, resume: bool = False) -> None:
        self.folder = Path(folder)
        self.settings: dict[str, Any] | None = None
        self._identity = json.loads(json.dumps(identity))  # as it will be read back
        self._files = CheckpointFolder(self.folder, resume)
        try:
            self._open(resume)
        except BaseException:
            self.close()
            raise

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Note with which settings of the optimizer all windows are searched."""
        if self.settings is None:
            self.settings = dict(settings)
            document = {"format": FORMAT, "identity": self._identity, "settings": self.settings}
            self._write(STATE, document)

    def load(self) -> list[Searched]:
        """Return the windows that are done."""
        return [self._read_window(path) for path in sorted(self.folder.glob("window-*.json"))]

    def save(self, searched: Searched) -> None:
        """Keep a window that is done.

        Raises
        ------
        CheckpointError
            When the disk refuses; the windows before are kept.
        """
        train, choice = searched.train, searched.choice
        document = {
            "train": [train.start, train.stop],
            "choice": {name: getattr(choice, name) for name in _PLAIN},
            "trials": None if searched.trials is None else _encoded(searched.trials),
        }
        self._write(f"window-{train.start}-{train.stop}.json", document)

    def close(self) -> None:
        """Give the lock back."""
        self._files.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the files -------------------------------------------------------------------------------------------

    def _open(self, resume: bool) -> None:
        if not (self.folder / STATE).exists():
            return  # killed before it began
        state = self._read(STATE)
        if state.get("format") != FORMAT or "settings" not in state:
            raise CheckpointError(
                f"the folder {self.folder} holds no walk-forward of this version; start in another folder"
            )
        if not resume:
            n = len(list(self.folder.glob("window-*.json")))
            raise CheckpointError(
                f"the folder {self.folder} holds a walk-forward of {n:,} windows already; "
                "resume it (resume=True, --resume), or choose another folder"
            )
        check_identity(self.folder, state["identity"], self._identity, "walk-forward")
        self.settings = dict(state["settings"])

    def _read(self, name: str) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(self._files.read(name))
        except ValueError as error:
            raise self._damaged(self.folder / name, error) from error
        return document

    def _read_window(self, path: Path) -> Searched:
        document = self._read(path.name)
        try:
            train = range(*document["train"])
            trials = None if document["trials"] is None else _decoded(document["trials"])
            return Searched(train, Choice(train=train, **document["choice"]), trials)
        except (KeyError, TypeError, ValueError, OptimizerStateError) as error:
            raise self._damaged(path, error) from error

    @staticmethod
    def _damaged(path: Path, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"the checkpoint {path} is damaged: {error!r}; remove this file to search its window again, "
            "or start in another folder"
        )

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        self._files.replace(
            name, json.dumps(document, separators=(",", ":"))
        )  # NaN stays NaN: nobody else reads it


def _encoded(trials: Trials) -> dict[str, Any]:
    return {
        "made": trials.made,
        "distinct": trials.distinct,
        "keys": encode_array(trials.keys.keys),
        "limit": str(trials.keys.limit),  # more than 53 bits
        "spread": asdict(trials.spread),
        "months": encode_array(trials.sketch.months),
        "returns": encode_array(trials.sketch.returns),
        "diversity": trials.sketch.diversity,
    }


def _decoded(data: Mapping[str, Any]) -> Trials:
    return Trials(
        made=data["made"],
        distinct=data["distinct"],
        keys=KeySet(decode_array(data["keys"]), int(data["limit"])),
        spread=SharpeSpread(**data["spread"]),
        sketch=Sketch(decode_array(data["months"]), decode_array(data["returns"]), data["diversity"]),
    )
