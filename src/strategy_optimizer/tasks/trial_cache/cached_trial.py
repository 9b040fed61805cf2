"""What is kept of a finished trial, and the same as bytes: every bit comes back, also of NaN and -0.0."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.executors.base import FailureKind

_HEAD = struct.Struct("<II")  # checksum of all that follows, length of the JSON
_KINDS = ("<f4", "<f8")


class DamagedError(ValueError):
    """The bytes are no cached trial."""


@dataclass(frozen=True, eq=False)
class CachedTrial:
    """A finished trial without its parameters.

    Parameters
    ----------
    metrics : mapping of str to float
        NaN and infinities too.
    seconds : float
        Time that the trial took.
    arrays : mapping of str to array
        Of float32 or float64, such as ``{"returns": (bars,)}`` or ``{"sums": (blocks, 3)}``.
    failure : FailureKind, optional
        How it failed; None when it completed.
    message : str
        What happened, when it failed.

    Raises
    ------
    TaskError
        When an array has other numbers.

    Examples
    --------
    >>> trial = CachedTrial({"sharpe_ratio": float("nan")}, 0.2, {"returns": np.zeros(3, np.float32)})
    >>> CachedTrial.from_bytes(trial.to_bytes()).arrays["returns"]
    array([0., 0., 0.], dtype=float32)
    """

    metrics: Mapping[str, float]
    seconds: float
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    failure: FailureKind | None = None
    message: str = ""

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.newbyteorder("<").str not in _KINDS:
                raise TaskError(f"the array '{name}' has {array.dtype}; expected float32 or float64")

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return 600 + 120 * len(self.metrics) + sum(200 + int(array.nbytes) for array in self.arrays.values())

    @property
    def reason(self) -> str:
        """Why it failed, as `Outcome.reason` says it; empty when it did not."""
        return f"{self.failure}: {self.message}" if self.failure else ""

    def to_bytes(self) -> bytes:
        """Return the trial as bytes."""
        arrays = {
            name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            for name, array in self.arrays.items()
        }
        header = {
            "metrics": list(self.metrics),
            "arrays": [[name, array.dtype.str, array.shape] for name, array in arrays.items()],
            "failure": self.failure,
            "message": self.message,
        }
        text = json.dumps(header, separators=(",", ":")).encode()
        numbers = struct.pack(f"<{len(self.metrics) + 1}d", self.seconds, *self.metrics.values())
        body = b"".join((text, numbers, *(array.tobytes() for array in arrays.values())))
        return _HEAD.pack(zlib.crc32(body), len(text)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the trial of `to_bytes`; its arrays cannot be written to.

        Raises
        ------
        DamagedError
            When a byte has changed.
        """
        try:
            checksum, length = _HEAD.unpack_from(data)
            if zlib.crc32(memoryview(data)[_HEAD.size :]) != checksum:
                raise DamagedError("the checksum is wrong")
            start = _HEAD.size + length
            header = json.loads(data[_HEAD.size : start])
            names = header["metrics"]
            seconds, *values = struct.unpack_from(f"<{len(names) + 1}d", data, start)
            arrays = _read_arrays(data, start + 8 * (len(names) + 1), header["arrays"])
        except (struct.error, KeyError, TypeError, ValueError) as error:
            raise DamagedError(str(error)) from error
        metrics = dict(zip(names, values, strict=True))
        return cls(metrics, seconds, arrays, header["failure"], header["message"])


def _read_arrays(data: bytes, start: int, specs: list[Any]) -> dict[str, NDArray[Any]]:
    arrays = {}
    for name, kind, shape in specs:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, kind, count, start).reshape(shape)
        start += arrays[name].nbytes
    return arrays
