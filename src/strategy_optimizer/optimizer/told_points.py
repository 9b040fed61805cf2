"""Points that are told and were not asked: canonical and inside the space, or refused, or left out with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from strategy_optimizer.errors import SpaceError
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Outcomes
from strategy_optimizer.optimizer.points import with_defaults
from strategy_optimizer.space import ParameterSpace


def canonical_points(space: ParameterSpace, params_list: list[Mapping[str, Any]]) -> FloatArray:
    """Return canonical points of dicts, or raise the space's own message about the first bad one."""
    points = space.from_dicts(params_list).reshape(-1, space.n_dims)
    for index in np.flatnonzero(~space.is_feasible(points)).tolist():
        space.validate(params_list[index])
    return points


def drop_outside(
    space: ParameterSpace, params_list: list[Mapping[str, Any]], outcomes: Outcomes
) -> tuple[list[Mapping[str, Any]], Outcomes]:
    """Keep the candidates which are inside the space and warn about the others."""
    errors = [_error_of(space, params) for params in params_list]
    keep = np.array([error is None for error in errors], bool)
    if not keep.all():
        _warn_outside(int((~keep).sum()), len(keep), next(error for error in errors if error))
    inside = [params for params, good in zip(params_list, keep.tolist(), strict=True) if good]
    return inside, outcomes.take(keep)


def _error_of(space: ParameterSpace, params: Mapping[str, Any]) -> SpaceError | None:
    try:
        space.validate(params)
    except SpaceError as error:
        return error
    return None


def check_foreign(
    space: ParameterSpace, points: FloatArray, foreign: IntArray, outcomes: Outcomes, warm_start: bool
) -> tuple[FloatArray, Outcomes]:
    """Make points that were never asked canonical; refuse, or drop, those outside the space."""
    dense = with_defaults(space, points[foreign])
    points[foreign] = space.deactivate(dense)
    outside = foreign[~space.is_feasible(points[foreign])]
    if len(outside) == 0:
        return points, outcomes
    if not warm_start:
        raise SpaceError(
            f"point {int(outside[0])} lies outside the space: {points[outside[0]].tolist()} for "
            f"{', '.join(space.names)}; expected values inside the bounds, on the steps and within "
            "the constraints (warm_start=True leaves such points out)"
        )
    _warn_outside(len(outside), len(points), None)
    keep = np.ones(len(points), bool)
    keep[outside] = False
    return points[keep], outcomes.take(keep)


def _warn_outside(n_outside: int, n: int, error: SpaceError | None) -> None:
    cause = f" (first: {error})" if error else ""
    warnings.warn(
        f"{n_outside} of {n} warm-start points lie outside the space and were left out{cause}",
        stacklevel=4,
    )
