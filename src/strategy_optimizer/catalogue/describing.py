"""What a strategy or an engine says of itself: runs its code, so only in a confined process."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from strategy_optimizer.backtest.strategy import CompiledStrategy
from strategy_optimizer.engines.registry import OfferedEngine, engines_in
from strategy_optimizer.errors import EngineError, StrategyOptimizerError
from strategy_optimizer.strategies.registry import StrategyClass, get_strategy, strategies_in
from strategy_optimizer.strategies.strategy_file import import_file

LONGEST = 2000
ENGINE = "engine"
"""The style of what runs its own backtests, on data of its own."""


def describe_file(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what each strategy and engine of a file says of itself, by name; or the problem of the file."""
    try:
        module = import_file(Path(request["file"]))
        found = to_optimise(module)
    except StrategyOptimizerError as error:
        return {"problem": str(error).replace(str(Path(request["file"]).resolve()), request["name"])}
    return {"strategies": {name: _described_any(one, module) for name, one in found.items()}}


def to_optimise(module: ModuleType) -> dict[str, StrategyClass | OfferedEngine]:
    """Return the strategies of a module by class, without those that only others are made from, and its engines.

    Raises
    ------
    EngineError
        When it cannot be said what its engines are.
    """
    found = {name: cls for name, cls in strategies_in(module).items() if name == cls.__name__}
    strategies = {name: cls for name, cls in found.items() if cls.parameters} or found
    return {**strategies, **engines_in(module)}


def _described_any(found: StrategyClass | OfferedEngine, module: ModuleType) -> dict[str, Any]:
    return _described_engine(found, module) if isinstance(found, OfferedEngine) else described(found)


def _described_engine(offered: OfferedEngine, module: ModuleType) -> dict[str, Any]:
    """Return the description of an engine, which is its file's, and its space; or its problem."""
    try:
        space = offered.space()
        if space is None:
            return {
                "problem": "it declares no parameters; say in its file what may be tried: space = "
                "ParameterSpace('mine', {'days': Discrete(5, 100)})"
            }
        document, defaults = space.to_json(), space.defaults()
        label = str(offered.engine.label)[:200]
    except EngineError as error:  # it may be a service that does not answer now
        return {"problem": f"its parameters cannot be used: {error}", "may_pass": True}
    except Exception as error:  # of user code
        return {"problem": f"its parameters cannot be used: {error}"}
    details = {"label": label, "style": ENGINE, "multi_symbol": False, "defaults": defaults}
    text = inspect.cleandoc(module.__doc__ or label)
    return {"description": text[:LONGEST], "space": document, "details": details}


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
