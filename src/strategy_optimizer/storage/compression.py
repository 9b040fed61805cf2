"""Columns of numbers as compressed bytes, quickly.

The bytes of each column are sorted by their place in the number: signs and exponents, which repeat, come to lie
beside each other, and the lowest digits of a measurement, which are noise, too. What is noise stays as it is; all
the rest is compressed. That takes a tenth of the time of zlib over everything, and the result is smaller.

Layout: sizes (JSON head, compressed part; uint32, little-endian), CRC-32 of these and of all that follows, the
head, the compressed part, the noise.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIZES = struct.Struct("<III")
_SAMPLE = 256
_NOISE = 128
"""A plane with more different values than this among its first `_SAMPLE` bytes is noise; chance makes 162."""


def compress_columns(head: Mapping[str, Any], columns: Sequence[NDArray[Any]]) -> bytes:
    """Return a head, JSON values, and columns of equal length as bytes.

    >>> data = compress_columns({"rows": 3}, [np.array([1.5, 1.5, 2.0]), np.arange(6, dtype=np.int32).reshape(3, 2)])
    >>> head, columns = decompress_columns(data)
    >>> head, columns[0].tolist(), columns[1].tolist()
    ({'rows': 3}, [1.5, 1.5, 2.0], [[0, 1], [2, 3], [4, 5]])
    """
    planes_of = [_planes(column) for column in columns]
    planes = [plane for column in planes_of for plane in column]
    noisy = [noise for column in planes_of for noise in _are_noise(column).tolist()]
    layout = {
        "head": head,
        "columns": [[_little(column).str, list(column.shape)] for column in columns],
        "noise": np.packbits(np.array(noisy, bool)).tobytes().hex(),
    }
    text = json.dumps(layout, separators=(",", ":"), allow_nan=False).encode()
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    regular = b"".join(plane.tobytes() for plane, noise in zip(planes, noisy, strict=True) if not noise)
    packed = packer.compress(regular) + packer.flush()
    noise = b"".join(plane.tobytes() for plane, is_noise in zip(planes, noisy, strict=True) if is_noise)
    body = b"".join([text, packed, noise])
    return _SIZES.pack(len(text), len(packed), _checksum(len(text), len(packed), body)) + body


def decompress_columns(data: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return what `compress_columns` was given; a ValueError says that the bytes are not whole."""
    if len(data) < _SIZES.size:
        raise ValueError("too short")
    n_text, n_packed, crc = _SIZES.unpack_from(data)
    body = memoryview(data)[_SIZES.size :]
    if _checksum(n_text, n_packed, body) != crc:
        raise ValueError("the checksum is another one")
    layout = json.loads(bytes(body[:n_text]))
    regular = np.frombuffer(zlib.decompress(body[n_text : n_text + n_packed]), np.uint8)
    noise = np.frombuffer(body[n_text + n_packed :], np.uint8)
    flags = np.unpackbits(np.frombuffer(bytes.fromhex(layout["noise"]), np.uint8)).astype(bool)
    columns, at = [], 0
    for kind, shape in layout["columns"]:
        dtype = np.dtype(kind)
        n_planes = dtype.itemsize * int(np.prod(shape[1:], dtype=int))
        planes = np.empty((n_planes, shape[0]), np.uint8)
        for plane, is_noise in zip(planes, flags[at : at + n_planes], strict=True):
            source = noise if is_noise else regular
            plane[...] = source[: shape[0]]
            if is_noise:
                noise = source[shape[0] :]
            else:
                regular = source[shape[0] :]
        at += n_planes
        columns.append(_from_planes(planes, dtype, shape))
    return layout["head"], columns


def _checksum(n_text: int, n_packed: int, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(_SIZES.pack(n_text, n_packed, 0)))


def _planes(column: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of a column as (bytes of a row, rows): each row of the result is one place in a number."""
    little = np.ascontiguousarray(column, _little(column))
    width = little.itemsize * int(np.prod(column.shape[1:], dtype=int))
    return np.ascontiguousarray(np.frombuffer(little.tobytes(), np.uint8).reshape(len(column), width).T)


def _from_planes(planes: NDArray[np.uint8], dtype: np.dtype[Any], shape: Sequence[int]) -> NDArray[Any]:
    numbers = np.frombuffer(planes.T.tobytes(), dtype)
    values: NDArray[Any] = numbers.reshape(shape).astype(dtype.newbyteorder("="))
    return values


def _are_noise(planes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which planes of a column are noise; none of a short column is."""
    if planes.shape[1] < _SAMPLE:
        return np.zeros(len(planes), bool)
    in_order = np.sort(planes[:, :_SAMPLE], axis=1)
    n_values = 1 + np.count_nonzero(in_order[:, 1:] != in_order[:, :-1], axis=1)
    return np.asarray(n_values > _NOISE)


def _little(column: NDArray[Any]) -> np.dtype[Any]:
    return column.dtype.newbyteorder("<")
