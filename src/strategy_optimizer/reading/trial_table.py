"""Trials of a task as one table without their block sums: found, sorted and shown by their indices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.records import TRIAL_STATES
from strategy_optimizer.storage import TrialChunk, TrialLayout

IndexArray: TypeAlias = NDArray[np.int64]
SCORE = "composite_score"


def row_type(layout: TrialLayout) -> np.dtype[Any]:
    """Return the type of a row."""
    return np.dtype(
        [
            ("points", "<f8", (layout.space.n_dims,)),
            ("metrics", "<f8", (len(layout.metrics),)),
            ("score", "<f8"),
            ("seconds", "<f8"),
            ("state", "i1"),
            ("feasible", "?"),
            ("reason", "<i4"),
        ]
    )


@dataclass(frozen=True)
class TrialTable:
    """Consecutive trials of a task.

    Attributes
    ----------
    layout : TrialLayout
    rows : array of `row_type`, shape (n,)
    reasons : list of str
        The texts that the rows' ``reason`` counts.
    first : int
        Index of the first of them, from 0.
    keys : array, shape (n,), optional
        What trials are chosen by, score, state and feasible, where it lies apart.
    """

    layout: TrialLayout
    rows: NDArray[np.void]
    reasons: list[str]
    first: int = 0
    keys: NDArray[np.void] | None = None

    @classmethod
    def of(cls, chunks: Iterable[TrialChunk]) -> Self | None:
        """Return the table of consecutive chunks, None of none."""
        parts: list[NDArray[np.void]] = []
        texts: dict[str, int] = {"": 0}
        layout, first = None, 0
        for chunk in chunks:
            if layout is None:
                layout, first = chunk.layout, chunk.first
            parts.append(rows_of(chunk, layout, texts))
        return None if layout is None else cls(layout, np.concatenate(parts), list(texts), first)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def size(self) -> int:
        """Bytes of the rows."""
        return self.rows.nbytes

    def entries(self, indices: IndexArray | Sequence[int]) -> list[dict[str, Any]]:
        """Return trials as the history shows them; `indices` count from the first row."""
        places = np.asarray(indices, np.int64)
        rows = self.rows[places]
        names = [*self.layout.metrics, SCORE]
        numbers = np.column_stack([rows["metrics"], rows["score"]]).tolist()
        shown = zip(
            (places + self.first + 1).tolist(),
            self.layout.space.to_dicts(rows["points"]),
            ({name: _finite(value) for name, value in zip(names, row, strict=True)} for row in numbers),
            (TRIAL_STATES[state] for state in rows["state"].tolist()),
            rows["feasible"].tolist(),
            map(_finite, rows["seconds"].tolist()),
            (self.reasons[code] for code in rows["reason"].tolist()),
            strict=True,
        )
        keys = ("iteration", "parameters", "performance", "state", "feasible", "seconds", "reason")
        return [dict(zip(keys, values, strict=True)) for values in shown]


def rows_of(chunk: TrialChunk, layout: TrialLayout, texts: dict[str, int]) -> NDArray[np.void]:
    """Return the rows of a chunk; texts of reasons that are new join `texts`, by their number."""
    columns = chunk.columns
    codes = [texts.setdefault(text, len(texts)) for text in chunk.head["reasons"]]
    rows = np.empty(len(chunk), row_type(layout))
    rows["points"], rows["metrics"] = columns.points, columns.metrics
    rows["score"], rows["seconds"] = columns.scores, columns.seconds
    rows["state"], rows["feasible"] = columns.states, columns.feasible
    rows["reason"] = np.array(codes, np.int32)[columns.reasons]
    return rows


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
