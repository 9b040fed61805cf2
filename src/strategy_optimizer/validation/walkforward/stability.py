"""How steady the chosen parameters are from window to window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from strategy_optimizer.space import Categorical, ParameterSpace

RANDOM_SPREAD = 1 / 12**0.5
"""The spread of values drawn evenly from the whole range, 0.29."""


@dataclass(frozen=True)
class ParameterStability:
    """One parameter through the windows.

    Attributes
    ----------
    name : str
    values : tuple
        Chosen in each window; None where the parameter was inactive, or nothing was chosen.
    spread : float or None
        Of a number: standard deviation of its place in its range (on the scale that is searched), 0 to 0.5; 0.29
        is that of random values. Of a category: share of the windows that chose another than the most frequent.
        None where fewer than two windows chose a value.
    changes : int
        Windows whose value differs from that of the window before.
    """

    name: str
    values: tuple[Any, ...]
    spread: float | None
    changes: int


def parameter_stability(
    space: ParameterSpace, chosen: Sequence[Mapping[str, Any] | None]
) -> tuple[ParameterStability, ...]:
    """Return the stability of each parameter of `space`.

    Parameters
    ----------
    space : ParameterSpace
        What was searched.
    chosen : sequence of mapping or None
        The parameters of each window, in order; None where nothing was chosen.

    Examples
    --------
    >>> space = ParameterSpace("s").add_parameter("n", "discrete", (0, 10))
    >>> steady, = parameter_stability(space, [{"n": 5}, {"n": 5}, None, {"n": 6}])
    >>> steady.values, round(steady.spread, 3), steady.changes
    ((5, 5, None, 6), 0.043, 1)
    """
    known = [params for params in chosen if params is not None]
    places = space.to_unit(space.from_dicts(known)) if known else np.empty((0, space.n_dims))
    return tuple(
        _stability(
            name,
            tuple(None if params is None else params.get(name) for params in chosen),
            None if isinstance(parameter, Categorical) else places[:, column],
        )
        for column, (name, parameter) in enumerate(space.parameters.items())
    )


def _stability(name: str, values: tuple[Any, ...], places: Any) -> ParameterStability:
    known = [value for value in values if value is not None]
    spread: float | None = None
    if len(known) > 1 and places is None:
        spread = 1.0 - Counter(known).most_common(1)[0][1] / len(known)
    elif len(known) > 1:
        spread = float(np.nanstd(places))
    changes = sum(a != b for a, b in pairwise(known))
    return ParameterStability(name, values, spread, changes)
