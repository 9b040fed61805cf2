"""A space narrowed for one search: other bounds for some parameters, one fixed value for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.codec import parameter_from_json
from strategy_optimizer.space.expressions import shorten
from strategy_optimizer.space.parameters import Categorical, Continuous, Discrete, Parameter


def fixed(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters, those in `values` with that value only."""
    _check_known(parameters, values)
    return {name: _fixed(name, p, values[name]) if name in values else p for name, p in parameters.items()}


def overridden(parameters: Mapping[str, Parameter], entries: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters, replaced where `entries` has them and fixed at their default elsewhere."""
    _check_known(parameters, entries)
    return {
        name: _replaced(name, p, entries[name]) if name in entries else _fixed(name, p, p.default_value)
        for name, p in parameters.items()
    }


def _check_known(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in parameters:
            hint = nearest_name(str(name), parameters)
            known = ", ".join(parameters)
            raise SpaceError(f"unknown parameter {shorten(name)}{hint} (known: {known})", parameter=str(name))


def _fixed(name: str, parameter: Parameter, value: Any) -> Parameter:
    try:
        number = parameter.encode(value)
    except SpaceError as error:
        raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None
    if isinstance(parameter, Categorical):
        choice = parameter.choices[int(number)]
        return Categorical((choice,), choice, condition=parameter.condition)
    if isinstance(parameter, Discrete):
        return Discrete(int(number), int(number), int(number), condition=parameter.condition)
    return Continuous(number, number, number, condition=parameter.condition)


def _replaced(name: str, old: Parameter, entry: Any) -> Parameter:
    new = (
        entry if isinstance(entry, Continuous | Discrete | Categorical) else parameter_from_json(name, entry)
    )
    if new.kind != old.kind:
        raise SpaceError(f"parameter '{name}' is {old.kind}, found {new.kind}", parameter=name)
    if isinstance(new, Categorical) and isinstance(old, Categorical):
        _check_choices(name, old, new)
    if new.condition is None:
        new = replace(new, condition=old.condition)
    return _with_default(new, old)


def _with_default(new: Parameter, old: Parameter) -> Parameter:
    """Keep the old default where the new bounds allow it and give no other."""
    if new.default is not None:
        return new
    try:
        new.encode(old.default_value)
    except SpaceError:
        return new
    return replace(new, default=old.default_value)  # type: ignore[arg-type]


def _check_choices(name: str, old: Categorical, new: Categorical) -> None:
    for choice in new.choices:
        if isinstance(choice, str):
            try:
                old.encode(choice, "the choice")
            except SpaceError as error:
                raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None
