"""Numbers that the processes of one walk-forward share: the trials of each window so far, and whether to stop."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


class Board:
    """A small mapped file: whether to stop, then one number a window.

    Parameters
    ----------
    path : Path
        As `new_board` made it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = np.memmap(path, np.int64, "r+")

    @property
    def stopped(self) -> bool:
        """Whether no search is to go on."""
        return bool(self._numbers[0])

    def stop(self) -> None:
        """Say that no search is to go on."""
        self._numbers[0] = 1

    def report(self, number: int, trials: int) -> None:
        """Say how many trials a window has."""
        self._numbers[1 + number] = trials

    def trials(self, number: int) -> int:
        """Return how many trials a window has."""
        return int(self._numbers[1 + number])


@contextmanager
def new_board(windows: int) -> Iterator[Board]:
    """Make a board in a temporary file, which is removed at the end."""
    with tempfile.NamedTemporaryFile(prefix="strategy-optimizer-windows-") as file:
        file.write(bytes(8 * (1 + windows)))
        file.flush()
        yield Board(Path(file.name))
