"""The trials of one task as files whose rows are found by their places; a child process writes them.

``rows.bin`` has all of each trial, ``keys.bin`` what trials are chosen by, ``order-*.npy`` the places of the trials
from the lowest to the highest of a number. Trials are only ever added, so files grow at their ends; ``state.json`` says
how much of them is whole, and is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.reading.history_query import ITERATION, RisingOrder, column_of
from strategy_optimizer.reading.trial_table import TrialTable, row_type, rows_of
from strategy_optimizer.storage import Store, TrialLayout
from strategy_optimizer.storage.trial_layout import layout_of

ROWS, KEYS, STATE = "rows.bin", "keys.bin", "state.json"
KEY_TYPE = np.dtype([("score", "<f8"), ("state", "i1"), ("feasible", "?")])


@dataclass
class TableFolder:
    """The files of one task.

    Attributes
    ----------
    path : Path
    trials : int
        How many are in the files.
    layout : dict or None
        `TrialLayout` as JSON; None before the first trial.
    reasons : list of str
    orders : dict
        For each number that trials are sorted by, how many of the first `trials` have it.
    """

    path: Path
    trials: int
    layout: dict[str, Any] | None
    reasons: list[str]
    orders: dict[str, int]

    @classmethod
    def open(cls, path: Path) -> TableFolder:
        """Return what is in a folder."""
        try:
            return cls(path, **json.loads((path / STATE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(path, 0, None, [""], {})

    @property
    def size(self) -> int:
        """Bytes of the files."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def has(self, trials: int, sort: str) -> bool:
        """Return whether nothing is missing to read so many trials in an order."""
        return self.trials >= trials and (sort == ITERATION or sort in self.orders)

    # -- reading ---------------------------------------------------------------------------------------------

    def table(self, trials: int) -> TrialTable:
        """Return the table of the first trials; its rows stay on the disk until they are looked at."""
        assert self.layout is not None
        layout = layout_of(self.layout)
        rows = self._map(ROWS, row_type(layout), trials)
        return TrialTable(layout, rows, self.reasons, keys=self._map(KEYS, KEY_TYPE, trials))

    def order(self, sort: str, trials: int) -> RisingOrder | None:
        """Return the order of the first trials by a number, None for that in which they were made."""
        if sort == ITERATION:
            return None
        places, known = np.load(self.path / _order_file(sort), mmap_mode="r"), self.orders[sort]
        if trials == self.trials:
            return RisingOrder(places, known)
        return RisingOrder(places[places < trials], int(np.count_nonzero(places[:known] < trials)))

    def _map(self, name: str, kind: np.dtype[Any], trials: int) -> NDArray[np.void]:
        return np.memmap(self.path / name, kind, "r", shape=(trials,))

    # -- writing ---------------------------------------------------------------------------------------------

    def extend(self, store: Store, task_id: str, trials: int, sort: str) -> None:
        """Bring the files to the first `trials` trials of a task, and the order by a number.

        Raises
        ------
        ObjectiveError
            The trials have no such number.
        """
        if self.trials < trials:
            self._append(store, task_id, trials)
        if sort not in self.orders and sort != ITERATION and self.layout is not None:
            self._sort(sort)
        self._save()

    def _append(self, store: Store, task_id: str, trials: int) -> None:
        texts = {text: code for code, text in enumerate(self.reasons)}
        layout: TrialLayout | None = None
        with _at(self.path / ROWS) as rows_file, _at(self.path / KEYS) as keys_file:
            for chunk in store.trials.read(task_id, self.trials, trials):
                if layout is None:
                    layout = chunk.layout
                    self.layout = layout.to_json()
                    rows_file.seek(self.trials * row_type(layout).itemsize)
                    keys_file.seek(self.trials * KEY_TYPE.itemsize)
                rows = rows_of(chunk, layout, texts)
                keys = np.empty(len(rows), KEY_TYPE)
                for name in KEY_TYPE.names or ():
                    keys[name] = rows[name]
                rows_file.write(rows.tobytes())
                keys_file.write(keys.tobytes())
                self.trials = chunk.stop
        self.reasons, self.orders = list(texts), {}

    def _sort(self, sort: str) -> None:
        table = self.table(self.trials)
        order = RisingOrder.of(column_of(table.rows, table.layout.metrics, sort))
        temporary = self.path / "order.tmp"
        with temporary.open("wb") as file:
            np.save(file, order.places)
        temporary.replace(self.path / _order_file(sort))  # who reads the old one keeps it
        self.orders[sort] = order.known

    def _save(self) -> None:
        temporary = self.path / "state.tmp"
        temporary.write_text(json.dumps(self.to_json()), encoding="utf-8")
        temporary.replace(self.path / STATE)

    def to_json(self) -> dict[str, Any]:
        """Return all but the path."""
        return {name: value for name, value in vars(self).items() if name != "path"}


def index(store: Store, task_id: str, trials: int, folder: str, sort: str) -> Mapping[str, Any]:
    """Bring the files in a folder up to date, and return what is in them; for child processes."""
    files = TableFolder.open(Path(folder))
    files.extend(store, task_id, trials, sort)
    return files.to_json()


def _order_file(sort: str) -> str:
    return f"order-{hashlib.sha256(sort.encode()).hexdigest()[:16]}.npy"  # a metric may have any name


def _at(path: Path) -> Any:
    """Open a file to write within it; it is made when it is missing."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
