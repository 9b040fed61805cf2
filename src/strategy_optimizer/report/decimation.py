"""Fewer points of a long curve, with its extremes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 1_000


def kept_rows(values: NDArray[np.float64], most: int = MOST_POINTS) -> NDArray[np.int64]:
    """Return the rows of a curve (n,) to draw: of each of its equal parts the lowest and the highest.

    The first and the last row are among them. NaN is never an extreme.

    >>> kept_rows(np.array([0.0, 5.0, 1.0, 1.0, -3.0, 2.0]), most=4).tolist()
    [0, 1, 4, 5]
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    edges = np.linspace(0, n, max(1, (most - 2) // 2) + 1).astype(np.int64)
    rows = [0, n - 1]
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[start:stop]
        if not np.isnan(part).all():
            rows += [start + int(np.nanargmin(part)), start + int(np.nanargmax(part))]
    return np.unique(np.array(rows, np.int64))
