"""Small markets that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

DAY = 86_400_000_000_000


@pytest.fixture
def columns() -> dict[str, Any]:
    """Two hundred business days of consistent prices."""
    rng = np.random.default_rng(5)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 200))), 4)
    open_ = np.round(np.concatenate(([100.0], close[:-1])) * np.exp(rng.normal(0, 0.003, 200)), 4)
    return {
        "timestamp": np.busday_offset("2020-01-06", np.arange(200)).astype("M8[ns]"),
        "open": open_,
        "high": np.round(np.maximum(open_, close) * 1.002, 4),
        "low": np.round(np.minimum(open_, close) * 0.998, 4),
        "close": close,
        "volume": rng.integers(1, 1000, 200).astype(np.float64),
    }
