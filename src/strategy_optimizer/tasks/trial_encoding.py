"""The encoding of consecutive trials as bytes, in a checkpoint's file and in the store.

A frame is the length of a JSON head (uint32, little-endian), the head (first trial, rows, sizes, texts of the
reasons), then the columns one after the other as raw little-endian arrays.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.tasks.history import TrialColumns, TrialHistory

_LENGTH = struct.Struct("<I")


def encode_frame(first: int, rows: TrialColumns, history: TrialHistory) -> bytes:
    """Return trials as bytes; `first` is the index of the first of them, their reasons are codes of `history`."""
    codes, inverse = np.unique(rows.reasons, return_inverse=True)
    rows.reasons = inverse.astype(np.int32)
    head = {
        "first": first,
        "rows": len(rows.scores),
        "dims": history.space.n_dims,
        "blocks": history.n_blocks,
        "metrics": len(history.metric_names),
        "counts": history.block_counts.tolist(),
        "reasons": [history.reason_text(code) for code in codes.tolist()],
    }
    text = json.dumps(head, separators=(",", ":")).encode()
    arrays = [_little(column).tobytes() for column in vars(rows).values()]
    return b"".join([_LENGTH.pack(len(text)), text, *arrays])


def unpack_frame(payload: bytes) -> tuple[dict[str, Any], TrialColumns]:
    """Return the head and the columns of a frame."""
    (length,) = _LENGTH.unpack_from(payload)
    head = json.loads(payload[_LENGTH.size : _LENGTH.size + length])
    columns = TrialColumns.empty(head["rows"], head["dims"], head["blocks"], head["metrics"])
    at = _LENGTH.size + length
    for name, column in vars(columns).items():
        little = _little(column)
        values = np.frombuffer(payload, little.dtype, column.size, at).reshape(column.shape)
        setattr(columns, name, values.astype(column.dtype))
        at += little.nbytes
    return head, columns


def add_frame(head: dict[str, Any], columns: TrialColumns, history: TrialHistory) -> None:
    """Add the trials of a frame, which must be the next ones, to `history`."""
    codes = np.array([history.code_of(text) for text in head["reasons"]], np.int32)
    columns.reasons = codes[columns.reasons]
    history.set_counts(np.array(head["counts"]))
    history.extend(columns)


def _little(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
