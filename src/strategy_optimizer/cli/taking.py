"""Gives a command the fields of a class as its options: each field is one, with its help and its default.

What several commands share stands in a class that theirs inherit. Only Typer is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, TypeVar, get_type_hints

import typer

T = TypeVar("T")


def takes(
    options: type[T],
) -> Callable[[Callable[[T, Sequence[str]], int]], Callable[..., int]]:
    """Give a command the fields of `options` as its options; it is called with them, and with what was typed."""

    def wrap(run: Callable[[T, Sequence[str]], int]) -> Callable[..., int]:
        @wraps(run)
        def command(context: typer.Context, **typed: Any) -> int:
            return run(options(**typed), context.obj)

        parameters = [
            Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
            *_parameters(options),
        ]
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        del command.__wrapped__
        return command

    return wrap


def _parameters(options: type) -> list[Parameter]:
    """Return the fields of the options as parameters, in the order of the help."""
    hints = get_type_hints(options, include_extras=True)
    declared = {each.name: each for each in fields(options)}
    first: tuple[str, ...] = options.first  # type: ignore[attr-defined]
    order = [*first, *(name for name in declared if name not in first)]
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_default(declared[name]), annotation=hints[name])
        for name in order
    ]


def _default(option: Any) -> Any:
    """Return the default of a field; a list of its own, which Typer copies."""
    if callable(option.default_factory):
        return option.default_factory()
    return Parameter.empty if option.default is MISSING else option.default
