"""The points of a space as one long numbered list, and a walk over it that meets every point once.

Used to enumerate grids and to find the last untried points of a finite space without keeping a table of them.
"""

from __future__ import annotations

import math

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.space import ParameterSpace

MAX_SWEPT = 2**22  # a walk over so many points takes about two seconds, spread over the whole search
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


class Lattice:
    """All combinations of the parameters' levels, numbered.

    Parameters
    ----------
    space : ParameterSpace
        Without conditions. Every parameter without levels of its own is cut into `resolution` equal steps of
        its scale.
    resolution : int or None
        Levels of a continuous parameter, both bounds included; None when the space has no such parameter.
    """

    def __init__(self, space: ParameterSpace, resolution: int | None = None) -> None:
        self._space = space
        endless = np.isinf(space.sizes)
        self.levels = [
            resolution or 1 if cut else int(size) for size, cut in zip(space.sizes, endless, strict=True)
        ]
        self.size = math.prod(self.levels)
        unit = np.linspace(0.0, 1.0, resolution or 1)
        self._values = space.from_unit(np.repeat(unit[:, None], space.n_dims, axis=1))  # (resolution, n_dims)
        self._cut = np.flatnonzero(endless)

    def points(self, index: IntArray) -> FloatArray:
        """Return the dense points with these numbers, (n, n_dims)."""
        digits = np.empty((len(index), len(self.levels)), np.int64)
        for j, n_levels in enumerate(self.levels):
            index, digits[:, j] = np.divmod(index, n_levels)
        return self._from_levels(digits)

    def _from_levels(self, digits: IntArray) -> FloatArray:
        """Return the dense points with these level numbers per parameter, (n, n_dims)."""
        dense = self._space.snap(self._space.lows + digits * self._space.steps)
        for j in self._cut:
            dense[:, j] = self._values[digits[:, j], j]
        return dense

    def onto_levels(self, dense: FloatArray) -> FloatArray:
        """Return dense points with each continuous parameter moved to the level whose cell it lies in."""
        unit, levels = self._space.to_unit(dense), np.array(self.levels)
        digits = np.minimum((unit * levels).astype(np.int64), levels - 1)
        moved = dense.copy()
        for j in self._cut:
            moved[:, j] = self._values[digits[:, j], j]
        return moved


class Sweep:
    """Walks over every point of a finite space in a scattered order that needs no memory.

    Point ``i`` of the walk is number ``(a i + b) mod size`` of the lattice, with ``a`` near the golden
    section of the size and coprime to it. Points before `position` have been tried or are out.
    """

    def __init__(self, space: ParameterSpace, repeats: int = 1, resolution: int | None = None) -> None:
        finite = resolution is not None or bool(np.isfinite(space.sizes).all())
        self._lattice = Lattice(space, resolution) if finite else None
        size = self._lattice.size if self._lattice else 0
        self._size = size if size <= MAX_SWEPT else 0
        self._stride = _coprime_near(int(self._size * _GOLDEN), self._size)
        self._rounds = repeats
        self.position = 0

    def next(self, n: int) -> FloatArray | None:
        """Return up to `n` further dense points; None when the walk is over (or the space is not finite)."""
        if self._lattice is None or self.position >= self._size * self._rounds:
            return None
        stop = min(self.position + n, self._size * self._rounds)
        index = (np.arange(self.position, stop) * self._stride + self._size // 2) % self._size
        self.position = stop
        return self._lattice.points(index)


def _coprime_near(start: int, size: int) -> int:
    """Return the first number from `start` up that shares no factor with `size`."""
    candidate = max(start, 1)
    while math.gcd(candidate, max(size, 1)) != 1:
        candidate += 1
    return candidate
