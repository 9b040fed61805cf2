"""Points of a space as optimizers work on them: dense, with a value for every parameter."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.space import ParameterSpace


def with_defaults(space: ParameterSpace, points: FloatArray) -> FloatArray:
    """Return points (n, n_dims) with the default where a parameter is inactive."""
    inactive = np.isnan(points)
    return np.where(inactive, space.default_values, points) if inactive.any() else points
