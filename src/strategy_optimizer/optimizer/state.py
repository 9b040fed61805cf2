"""Turn arrays and random generators into JSON values and back, exactly."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import OptimizerStateError


def encode_array(array: NDArray[Any]) -> dict[str, Any]:
    """Return a compact JSON form of an array: little-endian bytes, deflated, in base64; all bits are kept.

    >>> decode_array(encode_array(np.array([1.0, np.nan])))
    array([ 1., nan])
    """
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "dtype": little.dtype.str,
        "shape": list(array.shape),
        "deflated": base64.b64encode(zlib.compress(little.tobytes(), 3)).decode("ascii"),
    }


def decode_array(data: dict[str, Any]) -> NDArray[Any]:
    """Return the array that :func:`encode_array` wrote."""
    try:
        inflated = zlib.decompress(base64.b64decode(data["deflated"]))
    except zlib.error as error:
        raise OptimizerStateError(f"an array of the state is damaged: {error}") from error
    flat = np.frombuffer(inflated, np.dtype(data["dtype"]))
    return flat.reshape(data["shape"]).astype(flat.dtype.newbyteorder("="))


def encode_number(value: float) -> float | None:
    """Return the value, or None when it is not finite (JSON has no NaN)."""
    return float(value) if math.isfinite(value) else None


def encode_rng(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a PCG64 generator; the 128-bit integers travel as text."""
    state: dict[str, Any] = dict(rng.bit_generator.state)
    return {
        "bit_generator": state["bit_generator"],
        "state": str(state["state"]["state"]),
        "inc": str(state["state"]["inc"]),
        "has_uint32": state["has_uint32"],
        "uinteger": state["uinteger"],
    }


def decode_rng(data: dict[str, Any]) -> np.random.Generator:
    """Return the generator that :func:`encode_rng` wrote."""
    if data.get("bit_generator") != "PCG64":
        raise OptimizerStateError(
            f"the state holds a random generator of kind {data.get('bit_generator')!r}, expected 'PCG64'; "
            "it was written by another version"
        )
    bits = np.random.PCG64(0)
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": int(data["state"]), "inc": int(data["inc"])},
        "has_uint32": int(data["has_uint32"]),
        "uinteger": int(data["uinteger"]),
    }
    return np.random.Generator(bits)
