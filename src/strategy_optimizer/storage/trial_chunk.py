"""Consecutive trials as one compressed value, with an outline of their scores that can be read without them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import StorageError
from strategy_optimizer.records import TRIAL_STATES, TrialState
from strategy_optimizer.storage.compression import compress_columns, decompress_columns
from strategy_optimizer.storage.trial_layout import TrialLayout, layout_of
from strategy_optimizer.tasks.history import TrialColumns, TrialHistory
from strategy_optimizer.tasks.trial_encoding import add_frame, encode_frame, unpack_frame

CHUNK_ROWS = 4096
"""Trials in a full chunk."""
OUTLINE_ROWS = 16
"""Trials in one bin of an outline."""
OUTLINE = np.dtype([("low", "<f8"), ("high", "<f8"), ("best", "<f8")])
"""The lowest and highest score of a bin, and the highest that may win; NaN where there is none."""


@dataclass(frozen=True)
class TrialChunk:
    """Consecutive trials of a task.

    Attributes
    ----------
    first : int
        Index of the first of them, from 0.
    head : dict
        Sizes, the texts of the reasons, the returns in each block of the window, and the `TrialLayout`: the chunk says
        by itself what its numbers mean.
    columns : TrialColumns
        Their reasons are places in ``head["reasons"]``.
    """

    first: int
    head: dict[str, Any]
    columns: TrialColumns

    @classmethod
    def of(cls, history: TrialHistory, start: int, stop: int) -> Self:
        """Return the trials of a history from `start` to `stop`."""
        head, columns = unpack_frame(encode_frame(start, history.rows(start, stop), history))
        return cls(start, {**head, "layout": TrialLayout.of(history).to_json()}, columns)

    @classmethod
    def from_payload(cls, payload: bytes) -> Self:
        """Return the trials of `payload()`.

        Raises
        ------
        StorageError
            When the bytes are not what was written.
        """
        try:
            head, columns = decompress_columns(payload)
        except (zlib.error, ValueError, KeyError) as error:
            raise StorageError("trials in the database are damaged; restore a backup") from error
        return cls(head["first"], head, TrialColumns(*columns))

    def payload(self) -> bytes:
        """Return the trials as compressed bytes."""
        return compress_columns(self.head, list(vars(self.columns).values()))

    def __len__(self) -> int:
        return len(self.columns.scores)

    @property
    def layout(self) -> TrialLayout:
        """What its columns mean."""
        return layout_of(self.head["layout"])

    @property
    def stop(self) -> int:
        """Index after the last of them."""
        return self.first + len(self)

    @property
    def reasons(self) -> list[str]:
        """Why each trial failed or is infeasible; empty text for the others."""
        texts = self.head["reasons"]
        return [texts[code] for code in self.columns.reasons.tolist()]

    def count(self, state: TrialState) -> int:
        """Return how many of them are in a state."""
        return int(np.count_nonzero(self.columns.states == TRIAL_STATES.index(state)))

    def best_trial(self) -> int | None:
        """Return the index of the best feasible trial, None without one or with several objectives."""
        scores = np.where(self.columns.feasible, self.columns.scores, np.nan)
        return None if np.isnan(scores).all() else self.first + int(np.nanargmax(scores))

    def outline(self) -> NDArray[np.void]:
        """Return the scores of each `OUTLINE_ROWS` trials as one `OUTLINE`."""
        columns = self.columns
        finite = np.where(np.isfinite(columns.scores), columns.scores, np.nan)
        outline = np.empty(-(-len(self) // OUTLINE_ROWS), OUTLINE)
        outline["low"] = -_highest_of_bins(-finite)
        outline["high"] = _highest_of_bins(finite)
        outline["best"] = _highest_of_bins(np.where(columns.feasible, finite, np.nan))
        return outline

    def rows(self, start: int, stop: int) -> TrialChunk:
        """Return those from the trial `start` to the trial `stop`; both count over the whole task."""
        part = slice(max(start - self.first, 0), max(stop - self.first, 0))
        columns = TrialColumns(**{name: column[part] for name, column in vars(self.columns).items()})
        first = self.first + part.start
        return TrialChunk(first, {**self.head, "first": first, "rows": len(columns.scores)}, columns)

    def without_sums(self) -> TrialChunk:
        """Return the trials without their block sums, most of their bytes, which only validation needs."""
        columns = {**vars(self.columns), "sums": np.empty((len(self), 0, 2))}
        return TrialChunk(self.first, {**self.head, "blocks": 0, "counts": []}, TrialColumns(**columns))

    def add_to(self, history: TrialHistory) -> None:
        """Add the trials to a history that has all before them.

        Raises
        ------
        StorageError
            When they are not the next ones, or of another space.
        """
        if self.first != len(history) or self.head["dims"] != history.space.n_dims:
            raise StorageError(
                f"the trials from {self.first + 1} on, with {self.head['dims']} parameters, do not follow a history "
                f"of {len(history)} trials with {history.space.n_dims} parameters"
            )
        copied = TrialColumns(**vars(self.columns))
        add_frame(self.head, copied, history)

    def same_trials(self, other: TrialChunk) -> bool:
        """Return whether both hold the same trials; their seconds may differ, as when they were run again."""
        if self.first != other.first or len(self) != len(other) or self.reasons != other.reasons:
            return False
        mine, theirs = vars(self.columns), vars(other.columns)
        names = mine.keys() - {"seconds", "reasons"}
        return all(_same(mine[name], theirs[name]) for name in names)


def join(chunks: Sequence[TrialChunk]) -> TrialChunk:
    """Return one chunk of consecutive ones."""
    texts = list(dict.fromkeys(text for chunk in chunks for text in chunk.head["reasons"]))
    parts: list[dict[str, NDArray[Any]]] = []
    for chunk in chunks:
        codes = np.array([texts.index(text) for text in chunk.head["reasons"]], np.int32)
        parts.append({**vars(chunk.columns), "reasons": codes[chunk.columns.reasons]})
    columns = TrialColumns(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    # The returns in each block are known from the first trial on that did not fail.
    head = {**chunks[-1].head, "first": chunks[0].first, "rows": len(columns.scores), "reasons": texts}
    return TrialChunk(chunks[0].first, head, columns)


def describe(head: dict[str, Any]) -> str:
    """Return what must be equal in all chunks of a task.

    >>> describe({"first": 0, "rows": 9, "dims": 2, "blocks": 16, "metrics": 17, "reasons": []})
    '{"blocks":16,"dims":2,"metrics":17}'
    """
    shape = {name: head[name] for name in ("blocks", "dims", "metrics")}
    return json.dumps(shape, separators=(",", ":"))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return bool(one.shape == other.shape and one.tobytes() == other.tobytes())


def _highest_of_bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n_bins = -(-len(values) // OUTLINE_ROWS)
    padded = np.full(n_bins * OUTLINE_ROWS, np.nan)
    padded[: len(values)] = values
    highest: NDArray[np.float64] = np.fmax.reduce(padded.reshape(n_bins, OUTLINE_ROWS), axis=1)
    return highest
