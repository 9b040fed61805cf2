"""Random and Sobol points that satisfy everything.

Points are drawn in the unit cube and those that violate a constraint are dropped, in growing batches. Where
that succeeds rarely, a finite space is enumerated. A larger one is filled by walks from the points already
found (hit-and-run); where there is none yet, differential evolution looks for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.constraints import describe, named_parameter
from strategy_optimizer.space.exploration import seek, walk
from strategy_optimizer.space.layout import ENUMERATED_AT_MOST, Layout
from strategy_optimizer.space.sobol import MOST_DIMS, Sobol

FloatArray: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[int], FloatArray]  # count -> (count, d) in the unit cube

METHODS = ("uniform", "sobol")
PATIENCE = 1 << 14
"""Draws after which a finite space is enumerated instead."""
EFFORT = 1 << 18
"""Draws after which rejection gives up."""
_BATCH = 1 << 16
_RARE = 0.01  # share of draws that satisfy the constraints below which other ways are looked for


def sample(layout: Layout, n: int, rng: Generator, method: str) -> FloatArray:
    """Return `n` canonical feasible points (n, d); SpaceError when none can be found."""
    _check(layout, n, method)
    draw = (
        _sobol(layout.n_dims, rng) if method == "sobol" else lambda count: rng.random((count, layout.n_dims))
    )
    found, drawn = _reject(layout, n, draw)
    if len(found) >= n:
        return found[:n]
    if _is_small(layout):
        return _choose(layout, n, rng)
    if not len(found):
        found = seek(layout, rng)[:n]
    if not len(found):
        raise _infeasible(layout, f"no feasible point was found in {drawn} random ones, nor by a search", rng)
    walked = walk(layout, found, n - len(found), rng)
    return np.concatenate([found, walked])


def _check(layout: Layout, n: int, method: str) -> None:
    if method not in METHODS:
        hint = nearest_name(str(method), METHODS)
        raise SpaceError(f"unknown sampling method {method!r}{hint} (known: {', '.join(METHODS)})")
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise SpaceError(f"the number of points must be a whole number, found {n!r}")
    if n < 0:
        raise SpaceError(f"the number of points must not be negative, found {n}")
    if not layout.n_dims:
        raise SpaceError("the space has no parameters; add one with add_parameter")


def _is_small(layout: Layout) -> bool:
    return layout.cardinality is not None and layout.cardinality <= ENUMERATED_AT_MOST


def _sobol(n_dims: int, rng: Generator) -> Draw:
    """Return a source of scrambled Sobol points; the first batch is drawn as a power of two."""
    engine = _sobol_engine(n_dims, rng)
    waiting: FloatArray = np.empty((0, n_dims))

    def draw(count: int) -> FloatArray:
        nonlocal waiting
        if len(waiting) < count:  # powers of two keep the sequence balanced, and scipy silent
            more: FloatArray = engine.random(1 << (count - len(waiting) - 1).bit_length())
            waiting = np.concatenate([waiting, more])
        taken, waiting = waiting[:count], waiting[count:]
        return taken

    return draw


def _sobol_engine(n_dims: int, rng: Generator) -> Any:
    if n_dims <= MOST_DIMS:
        return Sobol(n_dims, rng)
    from scipy.stats import qmc  # a second to import, so only for spaces of very many parameters

    # A generator of its own: SciPy spawns from the one it is given, which a saved state does not hold.
    return qmc.Sobol(n_dims, scramble=True, rng=np.random.default_rng(rng.integers(2**63)))


def _reject(layout: Layout, n: int, draw: Draw) -> tuple[FloatArray, int]:
    """Draw until `n` points are feasible or patience is spent; return them and the number of draws."""
    kept: list[FloatArray] = [np.empty((0, layout.n_dims))]
    found = drawn = 0
    batch = n
    while found < n:
        points = layout.activation.deactivate(layout.columns.from_unit(draw(min(batch, _BATCH))))
        drawn += len(points)
        kept.append(layout.satisfying(points))
        found += len(kept[-1])
        rare = found < _RARE * drawn
        if rare and drawn >= (PATIENCE if _is_small(layout) else EFFORT):
            break
        batch = max(2 * batch, 64) if rare else int(1.2 * (n - found) * drawn / found) + 16
    return np.concatenate(kept), drawn


def _choose(layout: Layout, n: int, rng: Generator) -> FloatArray:
    """Return `n` points of a finite space, each as often as any other."""
    points = layout.all_feasible
    if not len(points):
        raise _infeasible(layout, f"none of the space's {layout.cardinality} points is feasible", rng)
    rounds = -(-n // len(points))
    order: NDArray[np.intp] = np.concatenate([rng.permutation(len(points)) for _ in range(rounds)])[:n]
    chosen: FloatArray = points[order]
    return chosen


def _infeasible(layout: Layout, finding: str, rng: Generator) -> SpaceError:
    """Return the error for a space without a feasible point, naming the constraint that refuses most."""
    points = layout.activation.deactivate(layout.columns.from_unit(rng.random((1000, layout.n_dims))))
    worst, share = layout.constraints.violated(points)[0]
    return SpaceError(
        f"{finding}; the strictest constraint is {describe(worst)}, "
        f"which refuses {share:.1%} of random points; widen the bounds or relax it",
        parameter=named_parameter(worst),
    )
