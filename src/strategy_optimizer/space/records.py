"""Points as plain dicts of Python values, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.checks import Value
from strategy_optimizer.space.expressions import shorten
from strategy_optimizer.space.parameters import Categorical, Parameter

FloatArray: TypeAlias = NDArray[np.float64]


def to_dicts(parameters: Mapping[str, Parameter], points: FloatArray) -> list[dict[str, Value]]:
    """Return one dict per point (n, d), without its inactive (NaN) parameters."""
    names = tuple(parameters)
    active = ~np.isnan(points)
    filled = points if active.all() else np.where(active, points, 0.0)
    columns = [p.decode_many(filled[:, n]) for n, p in enumerate(parameters.values())]
    if not columns:
        return [{} for _ in points]
    rows = zip(*columns, strict=True)
    if filled is points:
        return [dict(zip(names, row, strict=True)) for row in rows]
    masks = active.tolist()
    return [
        {name: value for name, value, keep in zip(names, row, mask, strict=True) if keep}
        for row, mask in zip(rows, masks, strict=True)
    ]


def from_dicts(
    parameters: Mapping[str, Parameter],
    rows: Sequence[Mapping[str, Any]],
    deactivate: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Return canonical points (n, d); SpaceError names the parameter that is unknown, missing or invalid."""
    dense = np.empty((len(rows), len(parameters)))
    missing = np.zeros(dense.shape, dtype=np.bool_)
    for n, row in enumerate(rows):
        _check_names(row, parameters, n, len(rows))
    for column, (name, parameter) in enumerate(parameters.items()):
        values = [row.get(name) for row in rows]
        missing[:, column] = [value is None for value in values]
        if missing[:, column].any():
            values = [parameter.default_value if value is None else value for value in values]
        dense[:, column] = _encoded(name, parameter, values)
    points = deactivate(dense)
    lacking = missing & ~np.isnan(points)
    if lacking.any():
        n, column = (int(index) for index in np.argwhere(lacking)[0])
        name = tuple(parameters)[column]
        raise SpaceError(f"{_where(n, len(rows))}the parameter '{name}' is missing", parameter=name)
    return points


def _check_names(row: Any, parameters: Mapping[str, Parameter], n: int, total: int) -> None:
    if not isinstance(row, Mapping):
        raise SpaceError(f"{_where(n, total)}parameters must be a dict, found {shorten(row)}")
    unknown = next((name for name in row if name not in parameters), None)
    if unknown is not None:
        hint = nearest_name(str(unknown), parameters)
        problem = (
            f"{_where(n, total)}unknown parameter {shorten(unknown)}{hint} (known: {', '.join(parameters)})"
        )
        raise SpaceError(problem, parameter=str(unknown))


def _encoded(name: str, parameter: Parameter, values: list[Any]) -> FloatArray | list[float]:
    """Return the floats of one column."""
    quick = _encoded_quickly(parameter, values)
    if quick is not None:
        return quick
    encoded = []
    for n, value in enumerate(values):
        try:
            encoded.append(parameter.encode(value))
        except SpaceError as error:
            raise SpaceError(f"{_where(n, len(values))}parameter '{name}': {error}", parameter=name) from None
    return encoded


def _encoded_quickly(parameter: Parameter, values: list[Any]) -> FloatArray | None:
    """Return the column at once when all values are plain and valid without conversion, else None."""
    kinds = set(map(type, values))
    if isinstance(parameter, Categorical):
        if kinds <= {str} and all(value in parameter.index for value in values):
            return np.array([parameter.index[value] for value in values], dtype=np.float64)
        return None
    exact = parameter.kind == "continuous" and parameter.grid is None
    if not kinds <= ({int, float} if exact else {int}) or (not exact and parameter.kind != "discrete"):
        return None
    try:
        column = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    inside = (column >= parameter.low) & (column <= parameter.high)
    if not exact:
        inside &= (column - parameter.low) % (parameter.step or 1) == 0
    return column + 0.0 if inside.all() else None


def _where(n: int, total: int) -> str:
    return f"row {n}: " if total > 1 else ""
