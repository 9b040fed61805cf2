"""Sobol points for spaces of up to 40 parameters, without the second that importing `scipy.stats` takes.

Notation: x_i = XOR of v_k over the set bits k of the Gray code i ^ (i >> 1), as fractions of 2^30; the direction
numbers v_k follow from a primitive polynomial and starting values.

References
----------
.. [1] Antonov and Saleev (1979). An economic method of computing LP-tau sequences.
.. [2] Joe and Kuo (2008). Constructing Sobol sequences with better two-dimensional projections. SIAM J. Sci.
   Comput. 30(5); the table is the beginning of theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = 30
# Polynomial as bits, and the starting values m_1, m_2, ... of each dimension.
_POLYNOMIALS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (1, (1,)),
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
    (103, (1, 1, 1, 15, 7, 5)),
    (109, (1, 3, 1, 15, 13, 25)),
    (115, (1, 1, 5, 5, 19, 61)),
    (131, (1, 3, 7, 11, 23, 15, 103)),
    (137, (1, 3, 7, 13, 13, 15, 69)),
    (143, (1, 1, 3, 13, 7, 35, 63)),
    (145, (1, 3, 5, 9, 1, 25, 53)),
    (157, (1, 3, 1, 13, 9, 35, 107)),
    (167, (1, 3, 1, 5, 27, 61, 31)),
    (171, (1, 1, 5, 11, 19, 41, 61)),
    (185, (1, 3, 5, 3, 3, 13, 69)),
    (191, (1, 1, 7, 13, 1, 19, 1)),
    (193, (1, 3, 7, 5, 13, 19, 59)),
    (203, (1, 1, 3, 9, 25, 29, 41)),
    (211, (1, 3, 5, 13, 23, 1, 55)),
    (213, (1, 3, 7, 3, 13, 59, 17)),
    (229, (1, 3, 1, 3, 5, 53, 69)),
    (239, (1, 1, 5, 5, 23, 33, 13)),
    (241, (1, 1, 7, 7, 1, 61, 123)),
    (247, (1, 1, 7, 9, 13, 61, 49)),
    (253, (1, 3, 3, 5, 3, 55, 33)),
    (285, (1, 3, 1, 15, 31, 13, 49, 245)),
    (299, (1, 3, 5, 15, 31, 59, 63, 97)),
    (301, (1, 3, 1, 11, 11, 11, 77, 249)),
)
MOST_DIMS = len(_POLYNOMIALS)


def direction_numbers(n_dims: int) -> NDArray[np.int64]:
    """Return v (n_dims, BITS): the contribution of each bit of the Gray code."""
    v = np.zeros((n_dims, BITS), dtype=np.int64)
    v[0] = 1 << np.arange(BITS - 1, -1, -1)  # the first dimension is the van der Corput sequence
    for d in range(1, n_dims):
        polynomial, start = _POLYNOMIALS[d]
        degree = len(start)
        m = list(start)
        for k in range(degree, BITS):
            value = m[k - degree] ^ (m[k - degree] << degree)
            for j in range(1, degree):
                if polynomial >> (degree - j) & 1:
                    value ^= m[k - j] << j
            m.append(value)
        v[d] = [m[k] << (BITS - 1 - k) for k in range(BITS)]
    return v


class Sobol:
    """A Sobol sequence with a random digital shift.

    Parameters
    ----------
    n_dims : int
        At most `MOST_DIMS`.
    rng : numpy.random.Generator, optional
        Draws the shift; without it the sequence is the plain one.

    Examples
    --------
    >>> Sobol(2).random(4).tolist()
    [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]
    """

    def __init__(self, n_dims: int, rng: np.random.Generator | None = None) -> None:
        self._v = direction_numbers(n_dims)
        self._shift = rng.integers(1 << BITS, size=n_dims) if rng is not None else np.zeros(n_dims, np.int64)
        # The middle of the finest cell: a shifted point is never exactly on the border of the cube.
        self._offset = 0.5 if rng is not None else 0.0
        self._next = 0

    def random(self, n: int) -> NDArray[np.float64]:
        """Return the next `n` points (n, n_dims) of the unit cube."""
        i = np.arange(self._next, self._next + n)
        gray = i ^ (i >> 1)
        x = np.broadcast_to(self._shift, (n, len(self._shift))).copy()
        for k in range(int(gray.max(initial=0)).bit_length()):
            x ^= np.where((gray >> k & 1)[:, np.newaxis] == 1, self._v[:, k], 0)
        self._next += n
        points: NDArray[np.float64] = np.asarray((x + self._offset) / float(1 << BITS), dtype=np.float64)
        return points
