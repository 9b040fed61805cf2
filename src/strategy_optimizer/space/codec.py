"""The JSON form of parameters and spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.space.constraints import Constraint, describe
from strategy_optimizer.space.expressions import shorten
from strategy_optimizer.space.parameters import Categorical, Continuous, Discrete, Parameter

KINDS = ("continuous", "discrete", "categorical")
_OPTIONS = ("default", "step", "log", "condition")


def make_parameter(kind: Any, domain: Any, options: Mapping[str, Any]) -> Parameter:
    """Return the parameter of a kind named by text; options that are None or False count as absent."""
    if kind not in KINDS:
        hint = nearest_name(str(kind), KINDS)
        raise SpaceError(f"unknown kind {shorten(kind)}{hint} (known: {', '.join(KINDS)})")
    given = {name: value for name, value in options.items() if value is not None}
    if kind == "categorical":
        if given.pop("log", False):
            raise SpaceError("a categorical parameter has no log scale")
        if "step" in given:
            raise SpaceError("a categorical parameter has no step")
        return Categorical(domain, **given)
    low, high = _pair(domain)
    return Continuous(low, high, **given) if kind == "continuous" else Discrete(low, high, **given)


def _pair(domain: Any) -> tuple[Any, Any]:
    if isinstance(domain, str) or not isinstance(domain, Iterable) or len(pair := tuple(domain)) != 2:
        raise SpaceError(f"the bounds must be a pair (low, high), found {shorten(domain)}")
    return pair[0], pair[1]


def parameter_from_json(name: str, spec: Any) -> Parameter:
    """Return the parameter that one entry of the JSON form describes."""
    try:
        return _from_spec(spec)
    except SpaceError as error:
        raise SpaceError(f"parameter '{name}': {error}", parameter=name) from None


def _from_spec(spec: Any) -> Parameter:
    if not isinstance(spec, Mapping):
        raise SpaceError(f"expected an object with type and bounds, found {shorten(spec)}")
    known = ("type", "bounds", "choices", *_OPTIONS)
    unknown = next((key for key in spec if key not in known), None)
    if unknown is not None:
        hint = nearest_name(str(unknown), known)
        raise SpaceError(f"unknown field {shorten(unknown)}{hint} (known: {', '.join(known)})")
    if "type" not in spec:
        raise SpaceError(f"the field 'type' is missing; it is one of {', '.join(KINDS)}")
    return make_parameter(spec["type"], _domain(spec), {key: spec.get(key) for key in _OPTIONS})


def _domain(spec: Mapping[str, Any]) -> Any:
    """Return the bounds; for a categorical parameter "choices" and "bounds" mean the same."""
    fields = ("choices", "bounds") if spec["type"] == "categorical" else ("bounds",)
    given = [field for field in ("choices", "bounds") if spec.get(field) is not None]
    if len(given) != 1 or given[0] not in fields:
        raise SpaceError(f"expected the field '{fields[0]}', found {' and '.join(given) or 'neither'}")
    return spec[given[0]]


def split_document(data: Any) -> tuple[Mapping[str, Any], Sequence[Any]]:
    """Return parameter entries and constraints of a document, or of a plain mapping of parameters."""
    if not isinstance(data, Mapping):
        raise SpaceError(f"a parameter space must be an object, found {shorten(data)}")
    inner = data.get("parameter_space")
    if "parameter_space" not in data or (isinstance(inner, Mapping) and isinstance(inner.get("type"), str)):
        return data, ()
    known = ("parameter_space", "constraints")
    unknown = next((key for key in data if key not in known), None)
    if unknown is not None:
        hint = nearest_name(str(unknown), known)
        raise SpaceError(f"unknown field {shorten(unknown)}{hint} beside 'parameter_space'")
    if not isinstance(inner, Mapping):
        raise SpaceError(f"'parameter_space' must be an object, found {shorten(inner)}")
    constraints = data.get("constraints", ())
    if isinstance(constraints, str) or not isinstance(constraints, Sequence):
        raise SpaceError(f"'constraints' must be a list of expressions, found {shorten(constraints)}")
    for constraint in constraints:
        if not isinstance(constraint, str):
            raise SpaceError(f"a constraint must be text, found {shorten(constraint)}")
    return inner, constraints


def document(parameters: Mapping[str, Parameter], constraints: Sequence[Constraint]) -> dict[str, Any]:
    """Return the JSON form of a space; SpaceError when a constraint is a callable."""
    for constraint in constraints:
        if not isinstance(constraint, str):
            raise SpaceError(
                f"the constraint {describe(constraint)} is Python code, which JSON cannot hold; "
                "write it as an expression, such as 'fast < slow'"
            )
    entries = {name: parameter.to_json() for name, parameter in parameters.items()}
    return {"parameter_space": entries, "constraints": list(constraints)}
