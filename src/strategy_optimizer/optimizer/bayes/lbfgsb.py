"""Minimises a smooth function within bounds: the steps of SciPy's L-BFGS-B, without the import of `scipy.optimize`.

`minimize` of SciPy takes the same steps at the same points to the same bits; it checks its arguments, keeps statistics
and an inverse Hessian besides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.scipy_parts import lbfgsb

CORRECTIONS = 10  # gradients that the Hessian is made from
LINE_STEPS = 20
NEW_POINT, WANTS_VALUE, STOP = (
    1,
    3,
    (5, 504),
)  # the task that a step leaves; stopped since there were enough of them
BOTH_BOUNDS = 2


def minimise(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    bounds: FloatArray,
    *,
    max_steps: int,
    gradient: float,
    decrease: float,
) -> tuple[FloatArray, float]:
    """Return the point (n,) with the least value that is found, and the value.

    Parameters
    ----------
    function : callable
        Returns value and gradient (n,) at a point (n,).
    start : ndarray
        (n,), within the bounds.
    bounds : ndarray
        (n, 2), finite.
    max_steps : int
    gradient, decrease : float
        It ends where no element of the gradient, or the relative decrease of a step, is larger.
    """
    steps = lbfgsb()
    if steps is None:
        return _with_scipy(function, start, bounds, max_steps, gradient, decrease)
    n, m = len(start), CORRECTIONS
    low, high = np.ascontiguousarray(bounds.T)
    x = start.copy()
    value, slope = 0.0, np.zeros(n)
    task, line_task = np.zeros(2, np.int32), np.zeros(2, np.int32)
    work, whole_work = np.zeros(2 * m * n + 5 * n + 11 * m * m + 8 * m), np.zeros(3 * n, np.int32)
    kept = np.zeros(4, np.int32), np.zeros(44, np.int32), np.zeros(29)
    kinds = np.full(n, BOTH_BOUNDS, np.int32)
    factor = decrease / np.finfo(np.float64).eps
    known_at, found = start.copy(), function(start.copy())
    taken = 0
    while True:
        steps.setulb(
            m, x, low, high, kinds, value, slope, factor, gradient,
            work, whole_work, task, *kept, LINE_STEPS, line_task,
        )  # fmt: skip
        if task[0] == WANTS_VALUE:
            if not np.array_equal(x, known_at):
                known_at, found = x.copy(), function(x.copy())
            value, slope = found[0], found[1].copy()
        elif task[0] == NEW_POINT:
            taken += 1
            if taken >= max_steps:
                task[:] = STOP
        else:
            return x, float(value)


def _with_scipy(
    function: Callable[[FloatArray], tuple[float, FloatArray]],
    start: FloatArray,
    bounds: FloatArray,
    max_steps: int,
    gradient: float,
    decrease: float,
) -> tuple[FloatArray, float]:
    from scipy.optimize import minimize

    options = {"maxiter": max_steps, "gtol": gradient, "ftol": decrease}
    found = minimize(function, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x, float(found.fun)
