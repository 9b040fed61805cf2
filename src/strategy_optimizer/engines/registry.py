"""Finds an engine, or a function to make one of, in a Python file or a module."""

from __future__ import annotations

from inspect import isclass
from types import ModuleType

from strategy_optimizer.engines.base import Engine
from strategy_optimizer.engines.callable_engine import CallableEngine
from strategy_optimizer.errors import EngineError, nearest_name
from strategy_optimizer.strategies.registry import load_module


def get_engine(name: str) -> Engine:
    """Return an engine.

    Parameters
    ----------
    name : str
        ``file.py`` with one engine in it, ``file.py:name``, or ``package.module:name``; the name is that of an `Engine`
        or of a function of a dict of parameters.

    Raises
    ------
    EngineError
        When there is no engine of that name.
    StrategyError
        When the file or module cannot be loaded.
    """
    if not name.endswith(".py") and ":" not in name:
        raise EngineError(
            f"the engine is {name!r}; expected a file, my_engine.py, a name in it, my_engine.py:run, or "
            "package.module:name"
        )
    module, member, source = load_module(name)
    found = members(module)
    if not member:
        engines = [key for key, value in found.items() if isinstance(value, Engine)]
        candidates = engines or list(found)
        if len(candidates) != 1:
            what = f"has {', '.join(candidates)}" if candidates else "has no engine and no function"
            hint = f"; name one of them: {source}:{candidates[0]}" if candidates else ""
            raise EngineError(f"{source} {what}{hint}")
        member = candidates[0]
    if member not in vars(module):
        raise EngineError(f"{source} has no '{member}'{nearest_name(member, found)}")
    value = vars(module)[member]
    return value if isinstance(value, Engine) else CallableEngine(value)


def members(module: ModuleType) -> dict[str, object]:
    """Return the engines and functions that a module defines."""
    return {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, Engine)
        or (
            callable(value)
            and not isclass(value)
            and not key.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
        )
    }
