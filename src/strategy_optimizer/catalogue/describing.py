"""What a strategy says of itself: runs its code, so only in a confined process."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from strategy_optimizer.backtest.strategy import CompiledStrategy
from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.strategies.registry import StrategyClass, get_strategy, strategies_in
from strategy_optimizer.strategies.strategy_file import import_file

LONGEST = 2000


def describe_file(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each strategy of a file says of itself, by class; or the problem of the file."""
    try:
        module = import_file(Path(request["file"]))
    except StrategyOptimizerError as error:
        return {"problem": str(error).replace(str(Path(request["file"]).resolve()), request["name"])}
    return {"strategies": {name: described(found) for name, found in to_optimise(module).items()}}


def to_optimise(module: ModuleType) -> dict[str, StrategyClass]:
    """Return the strategies of a module by class; without those that only others are made from."""
    found = {name: cls for name, cls in strategies_in(module).items() if name == cls.__name__}
    return {name: cls for name, cls in found.items() if cls.parameters} or found


def describe_named(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what strategies that are built in or installed say of themselves, by name."""
    return {name: _described_by_name(name) for name in request["names"]}


def _described_by_name(name: str) -> dict[str, Any]:
    try:
        return described(get_strategy(name))
    except StrategyOptimizerError as error:
        return {"problem": str(error)}


def described(strategy: StrategyClass) -> dict[str, Any]:
    """Return the description, the space and the style of a strategy; or its problem."""
    try:
        if not strategy.parameters:
            return {"problem": "it declares no parameters; there is nothing to optimise"}
        space = strategy.space()
        document = space.to_json()
        defaults = space.defaults()
    except Exception as error:  # of user code
        return {"problem": f"its parameters cannot be used: {error}"}
    details = {
        "label": str(strategy.label())[:200],
        "style": "compiled" if issubclass(strategy, CompiledStrategy) else "vectorised",
        "multi_symbol": bool(getattr(strategy, "multi_symbol", False)),
        "defaults": defaults,
    }
    text = (inspect.getdoc(strategy) or "") if strategy.__doc__ else ""
    return {"description": text[:LONGEST], "space": document, "details": details}
