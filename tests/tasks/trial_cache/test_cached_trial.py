"""Values come back bit-equal, and no damaged byte is believed."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks.trial_cache import CachedTrial
from strategy_optimizer.tasks.trial_cache.cached_trial import DamagedError

floats = st.floats(allow_nan=True, allow_infinity=True)
metrics = st.dictionaries(st.text(max_size=20), floats, max_size=20)
some_arrays = st.dictionaries(
    st.text(max_size=8),
    arrays_of.arrays(
        st.sampled_from([np.dtype("f4"), np.dtype("f8")]),
        arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0),
    ),
    max_size=3,
)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(metrics, floats, some_arrays, st.sampled_from([None, "raised"]), st.text())
def test_every_bit_comes_back(values: dict, seconds: float, arrays: dict, failure, message: str) -> None:
    trial = CachedTrial(values, seconds, arrays, failure, message)
    back = CachedTrial.from_bytes(trial.to_bytes())
    assert list(back.metrics) == list(values)
    assert [bits(v) for v in back.metrics.values()] == [bits(v) for v in values.values()]
    assert (bits(back.seconds), back.failure, back.message) == (bits(seconds), failure, message)
    assert list(back.arrays) == list(arrays)
    for name, array in arrays.items():
        assert (back.arrays[name].dtype, back.arrays[name].shape) == (array.dtype, array.shape)
        assert back.arrays[name].tobytes() == array.tobytes()


def test_views_and_other_byte_orders_come_back_as_numbers() -> None:
    array = np.arange(12.0).reshape(3, 4)
    trial = CachedTrial({}, 1.0, {"view": array[:, ::2], "big": array.astype(">f8"), "fortran": array.T})
    back = CachedTrial.from_bytes(trial.to_bytes()).arrays
    np.testing.assert_array_equal(back["view"], array[:, ::2])
    np.testing.assert_array_equal(back["big"], array)
    np.testing.assert_array_equal(back["fortran"], array.T)


def test_any_changed_or_missing_byte_is_noticed() -> None:
    data = CachedTrial({"sharpe_ratio": 1.5}, 0.2, {"returns": np.arange(3.0)}).to_bytes()
    for place in range(len(data)):
        with pytest.raises(DamagedError):
            CachedTrial.from_bytes(data[:place])
        with pytest.raises(DamagedError):
            CachedTrial.from_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize("array", [np.arange(3), np.array(["a"]), np.array([True]), np.zeros(2, complex)])
def test_arrays_of_other_numbers_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TaskError, match="float32 or float64"):
        CachedTrial({}, 1.0, {"returns": array})
