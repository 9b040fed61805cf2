"""What was compressed comes back bit by bit, and damage is seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strategy_optimizer.storage.compression import compress_columns, decompress_columns

KINDS = (np.float64, np.int32, np.int8, np.bool_)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(0, 600))
def test_columns_come_back_bit_by_bit(data: st.DataObject, n: int) -> None:
    columns = []
    for _ in range(data.draw(st.integers(0, 3))):
        shape = (n, *data.draw(st.lists(st.integers(0, 3), max_size=2)))
        kind = data.draw(st.sampled_from(KINDS))
        columns.append(data.draw(arrays(kind, shape, fill=st.just(kind(1)))))
    rng = np.random.default_rng(n)
    columns.append(rng.normal(size=(n, 2)))
    head, found = decompress_columns(compress_columns({"rows": n}, columns))
    assert head == {"rows": n}
    for column, other in zip(columns, found, strict=True):
        assert (other.dtype, other.shape) == (column.dtype, column.shape)
        assert other.tobytes() == column.tobytes()


def test_odd_numbers_come_back() -> None:
    odd = np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324, np.finfo(float).max] * 100)
    (found,) = decompress_columns(compress_columns({}, [odd]))[1]
    assert found.tobytes() == odd.tobytes()


@pytest.mark.parametrize("constant", [True, False])
def test_it_is_smaller(constant: bool) -> None:
    values = np.full(4096, 0.1) if constant else np.random.default_rng(0).normal(size=4096)
    size = len(compress_columns({}, [values])) / values.nbytes
    assert size < (0.03 if constant else 0.92)


def test_any_changed_byte_is_seen() -> None:
    data = compress_columns({"rows": 300}, [np.random.default_rng(0).normal(size=300), np.arange(300)])
    for at in range(0, len(data), 7):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(ValueError, match=r"checksum|too short"):
            decompress_columns(damaged)
    for length in (0, 5, 11, len(data) - 1):
        with pytest.raises(ValueError, match=r"checksum|too short"):
            decompress_columns(data[:length])
