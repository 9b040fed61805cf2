"""Finds an engine, or a function to make one of, in a Python file or a module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isclass
from types import ModuleType
from typing import Any

from strategy_optimizer.engines.base import Engine
from strategy_optimizer.engines.callable_engine import CallableEngine
from strategy_optimizer.engines.folded import FoldedEngine
from strategy_optimizer.errors import EngineError, nearest_name
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.strategies.registry import load_module

SPACE = "space"
"""The name in a file under which it says what may be tried, for an engine that declares nothing itself."""


@dataclass(frozen=True)
class OfferedEngine:
    """An engine as a file offers it.

    Attributes
    ----------
    engine : Engine
    given_space : ParameterSpace or None
        What the file says may be tried, beside the engine.
    """

    engine: Engine
    given_space: ParameterSpace | None = None

    def space(self) -> ParameterSpace | None:
        """Return what may be tried: as the file says, else as the engine declares; None where neither does.

        Raises
        ------
        EngineError
            See `Engine.space`.
        """
        return self.engine.space() if self.given_space is None else self.given_space


def get_engine(name: str, folds: int | None = None) -> OfferedEngine:
    """Return an engine.

    Parameters
    ----------
    name : str
        ``file.py`` with one engine in it, ``file.py:name``, or ``package.module:name``; the name is that of an `Engine`
        or of a function of a dict of parameters.
    folds : int, optional
        The name is that of a function of ``(parameters, fold)``, see `FoldedEngine.of_function`.

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
        candidates = ([] if folds is not None else list(_engines(found))) or list(found)
        if len(candidates) != 1:
            what = f"has {', '.join(candidates)}" if candidates else "has no engine and no function"
            hint = f"; name one of them: {source}:{candidates[0]}" if candidates else ""
            raise EngineError(f"{source} {what}{hint}")
        member = candidates[0]
    if member not in vars(module):
        raise EngineError(
            f"{source} has no '{member}'{nearest_name(member, found)} (it has {', '.join(found) or 'no engine'})"
        )
    return OfferedEngine(_engine_of(vars(module)[member], member, folds), _space_of(module))


def _engine_of(value: Any, name: str, folds: int | None) -> Engine:
    if folds is None:
        return value if isinstance(value, Engine) else CallableEngine(value)
    if isinstance(value, Engine):
        raise EngineError(
            f"{name} is an engine ({value.label}), and folds are for a function of (parameters, fold); name one, or "
            "make a FoldedEngine of several engines in the file"
        )
    return FoldedEngine.of_function(value, folds)


def engines_in(module: ModuleType) -> dict[str, OfferedEngine]:
    """Return the engines that a module offers, by name: those in it, else its only function, beside a space.

    A module with functions and no ``space`` offers nothing: others may import it.

    Raises
    ------
    EngineError
        When ``space`` is no `ParameterSpace`, or there are several functions that it may be meant for.
    """
    found, space = members(module), _space_of(module)
    engines = {name: engine for name, engine in _engines(found).items() if not name.startswith("_")}
    if engines:
        return {name: OfferedEngine(engine, space) for name, engine in engines.items()}
    if space is None or not found:
        return {}
    if len(found) > 1:
        raise EngineError(
            f"it has a space and the functions {', '.join(found)}; say which is the backtest: engine = "
            f"CallableEngine({next(iter(found))}), or let the names of the others begin with _"
        )
    return {name: OfferedEngine(CallableEngine(value), space) for name, value in found.items()}  # type: ignore[arg-type]


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


def _engines(found: Mapping[str, object]) -> dict[str, Engine]:
    """Return the engines among members; one under two names has the first."""
    unique = {id(value): name for name, value in reversed(list(found.items())) if isinstance(value, Engine)}
    return {
        name: value for name, value in found.items() if isinstance(value, Engine) and name in unique.values()
    }


def _space_of(module: ModuleType) -> ParameterSpace | None:
    space = vars(module).get(SPACE)
    if space is None or isinstance(space, ParameterSpace) or callable(space):
        return space if isinstance(space, ParameterSpace) else None
    raise EngineError(f"its {SPACE} is {space!r} ({type(space).__name__}); expected a ParameterSpace")
