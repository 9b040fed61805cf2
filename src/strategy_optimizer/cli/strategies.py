"""The command `strategies`: what can be optimised, and with which parameters."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from rich.table import Table

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.cli.terminal import console, plain_table, wrapped
from strategy_optimizer.number_texts import value_text
from strategy_optimizer.space import Categorical, Parameter, ParameterSpace
from strategy_optimizer.strategies import get_strategy, list_strategies


def list_all(as_json: bool) -> int:
    """Print every known strategy."""
    classes = {name: get_strategy(name) for name in list_strategies()}
    if as_json:
        print(json.dumps({name: _as_json(cls) for name, cls in classes.items()}, indent=2))  # noqa: T201
        return 0
    out = console()
    for name, cls in classes.items():
        origin = list_strategies()[name]
        out.print(f"{name}{'' if origin == 'built in' else f' ({origin})'}", style="bold")
        out.print(wrapped(summary(cls), out))
        parameters = ", ".join(f"{key} {_domain(p, '..')}" for key, p in cls.parameters.items())
        out.print(wrapped(parameters, out), style="dim")
        out.print()
    out.print("One of them in full: strategy-optimizer strategies NAME")
    out.print("Your own:            strategy-optimizer optimize my_strategy.py")
    return 0


def show_one(name: str, as_json: bool) -> int:
    """Print one strategy: what it does, its parameters and constraints."""
    with redirect_stdout(sys.stderr):  # a file may print when it is read
        cls = get_strategy(name)
    space = cls.space()
    if as_json:
        print(json.dumps(_to_edit(space), indent=2))  # noqa: T201
        return 0
    out = console()
    out.print(cls.label(), style="bold")
    out.print(wrapped(_description(cls), out) + "\n")
    out.print(_parameter_table(space.parameters))
    if space.constraints:
        out.print("\nconstraints: " + ", ".join(str(c) for c in space.constraints))
    out.print(f"\nstyle: {_traits(cls)}")
    out.print("\nOther bounds: write them to a file, edit it, and search in it:")
    out.print(f"  strategy-optimizer strategies {name} --json > space.json", soft_wrap=True)
    out.print(f"  strategy-optimizer optimize {name} --space space.json", soft_wrap=True)
    return 0


def _parameter_table(parameters: Mapping[str, Parameter]) -> Table:
    table = plain_table("parameter", "values", "default", "scale", "active when", left=5)
    for key, parameter in parameters.items():
        default = value_text(parameter.default_value)
        table.add_row(key, _domain(parameter), default, _scale(parameter), parameter.condition or "always")
    return table


def _traits(cls: type[Any]) -> str:
    traits = ["compiled" if issubclass(cls, CompiledStrategy) else "vectorised"]
    if getattr(cls, "short", False):
        traits.append("long and short")
    if getattr(cls, "multi_symbol", False):
        traits.append("several symbols (--data FOLDER, or --data more than once)")
    return ", ".join(traits)


def _description(cls: type[Any]) -> str:
    """Return the class's own docstring."""
    return inspect.cleandoc(cls.__doc__ or "no description")


def summary(cls: type[Any]) -> str:
    """Return the first paragraph of a strategy's docstring."""
    return _description(cls).split("\n\n")[0]


def _to_edit(space: ParameterSpace) -> dict[str, Any]:
    """Return the JSON form for ``--space``; without defaults, so that other bounds need no other change."""
    document = space.to_json()
    entries = document["parameter_space"]
    without = {name: {k: v for k, v in entry.items() if k != "default"} for name, entry in entries.items()}
    return {**document, "parameter_space": without}


def _as_json(cls: type[Any]) -> dict[str, Any]:
    return {"description": summary(cls), **cls.space().to_json()}


def _domain(parameter: Parameter, dots: str = " .. ") -> str:
    if isinstance(parameter, Categorical):
        return " | ".join(map(str, parameter.choices))
    return f"{value_text(parameter.low)}{dots}{value_text(parameter.high)}"


def _scale(parameter: Parameter) -> str:
    if isinstance(parameter, Categorical):
        return "choice"
    if parameter.log:
        return "log"
    if parameter.step is not None and (parameter.kind == "continuous" or parameter.step != 1):
        return f"step {value_text(parameter.step)}"
    return "whole" if parameter.kind == "discrete" else "real"
