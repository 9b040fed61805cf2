"""An entry as bytes: a line that names the format, a line of JSON, and the arrays one after the other."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.validation.ledger.entry import Entry, Sketch, Trials
from strategy_optimizer.validation.ledger.keys import KeySet
from strategy_optimizer.validation.ledger.months import Months
from strategy_optimizer.validation.ledger.spread import SharpeSpread

FORMAT = b"strategy-optimizer ledger entry 3"
_MONTHS = ("<i4", "<u8", "<i4")
_TEXTS = (
    "task_id",
    "kind",
    "recorded",
    "interrupted",
    "strategy",
    "strategy_digest",
    "data",
    "first",
    "last",
)


class UnreadableError(ValueError):
    """The bytes are no entry, not of this format, or damaged."""


def encode(entry: Entry) -> bytes:
    """Return the bytes of an entry."""
    trials = entry.trials
    arrays = [
        array.astype(dtype, copy=False)
        for array, dtype in (
            *zip(_columns(entry.searched), _MONTHS, strict=True),
            *zip(_columns(entry.held_out), _MONTHS, strict=True),
            (entry.shown, "<u8"),
            (trials.keys.keys, "<u8"),
            (trials.sketch.months, "<i4"),
            (trials.sketch.returns, "<f4"),
        )
    ]
    header = {
        **{name: getattr(entry, name) for name in _TEXTS},
        "symbols": entry.symbols,
        "trials": trials.made,
        "distinct": trials.distinct,
        "limit": str(trials.keys.limit),  # more than 53 bits
        "spread": vars(trials.spread),
        "diversity": trials.sketch.diversity,
        "arrays": [[array.dtype.str, array.shape] for array in arrays],
    }
    body = b"\n".join([json.dumps(header).encode(), b"".join(array.tobytes() for array in arrays)])
    return b"%s %08x\n%s" % (FORMAT, zlib.crc32(body), body)


def decode(data: bytes) -> Entry:
    """Return the entry of some bytes.

    Raises
    ------
    UnreadableError
        They are none, or are damaged.
    """
    begin = data.find(b"\n") + 1
    name, _, checksum = data[:begin].rstrip().rpartition(b" ")
    if name != FORMAT:
        raise UnreadableError("of another format")
    if checksum != b"%08x" % zlib.crc32(memoryview(data)[begin:]):
        raise UnreadableError("damaged")
    end = data.find(b"\n", begin)
    try:
        return _entry(json.loads(data[begin:end]), data, end + 1)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError("damaged") from error


def _columns(months: Months) -> tuple[NDArray[Any], ...]:
    return months.numbers, months.digests, months.bars


def _entry(header: dict[str, Any], data: bytes, offset: int) -> Entry:
    arrays = _unpacked(header["arrays"], data, offset)
    shown, keys, sketch_months, sketch = arrays[6:]
    trials = Trials(
        made=header["trials"],
        distinct=header["distinct"],
        keys=KeySet(keys, int(header["limit"])),
        spread=SharpeSpread(**header["spread"]),
        sketch=Sketch(sketch_months, sketch, header["diversity"]),
    )
    return Entry(
        **{name: header[name] for name in _TEXTS},
        symbols=tuple(header["symbols"]),
        trials=trials,
        searched=Months(*arrays[:3]),
        held_out=Months(*arrays[3:6]),
        shown=shown,
    )


def _unpacked(descriptions: list[Any], data: bytes, offset: int) -> list[NDArray[Any]]:
    arrays = []
    for text, shape in descriptions:
        dtype, size = np.dtype(text), math.prod(shape)
        arrays.append(np.frombuffer(data, dtype, size, offset).reshape(shape))
        offset += size * dtype.itemsize
    return arrays
