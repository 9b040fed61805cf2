"""Finds a strategy by its name: built in, in a Python file, by a module path, or from an installed package."""

from __future__ import annotations

import importlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from strategy_optimizer.backtest.strategy import CompiledStrategy, Strategy
from strategy_optimizer.errors import StrategyError, nearest_name
from strategy_optimizer.strategies.strategy_file import import_file

StrategyClass = type[Strategy] | type[CompiledStrategy]

ENTRY_POINT_GROUP = "strategy_optimizer.strategies"
BUILT_IN = {
    "momentum": "momentum:Momentum",
    "ma_cross": "moving_average_cross:MovingAverageCross",
    "rsi": "rsi_reversion:RsiReversion",
    "bollinger": "bollinger:Bollinger",
    "donchian": "donchian:Donchian",
    "rotation": "rotation:Rotation",
}
ALIASES = {"momentum_strategy": "momentum"}


def get_strategy(name: str) -> StrategyClass:
    """Return a strategy class.

    Parameters
    ----------
    name : str
        A built-in name (`list_strategies`); ``file.py`` or ``file.py:ClassName``; ``package.module:ClassName``; or
        a name that an installed package offers in the entry-point group ``strategy_optimizer.strategies``.

    Raises
    ------
    StrategyError
        When there is no such strategy, or its file cannot be read; the nearest name is given.

    Examples
    --------
    >>> get_strategy("momentum").parameters["lookback_period"].high
    100
    """
    if not isinstance(name, str):
        raise StrategyError(
            f"a {type(name).__name__} is no strategy's name; expected text such as 'momentum' or 'my_strategy.py'"
        )
    known = ALIASES.get(name, name)
    if known in BUILT_IN:
        module, class_name = BUILT_IN[known].split(":")
        return _class_of(importlib.import_module(f"strategy_optimizer.strategies.{module}"), class_name, name)
    if _looks_like_file(name):
        return _class_of(*load_module(name))
    offered = _offered()
    if name in offered:
        return _checked(_load_offered(offered[name]), name)
    if ":" in name:
        return _class_of(*load_module(name))
    names = [*BUILT_IN, *ALIASES, *offered]
    raise StrategyError(
        f"there is no strategy '{name}'{nearest_name(name, names)} "
        f"(known: {', '.join(sorted(names))}; or name a file: my_strategy.py)"
    )


def list_strategies() -> dict[str, str]:
    """Return the names of the known strategies and where they come from."""
    return dict.fromkeys(BUILT_IN, "built in") | {
        name: f"package {point.dist.name if point.dist else '?'}" for name, point in _offered().items()
    }


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load_offered(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise StrategyError(
            f"the strategy '{point.name}' ({point.value}) cannot be loaded: {error}"
        ) from error


def _looks_like_file(name: str) -> bool:
    path = name.rsplit(":", 1)[0] if not name.endswith(".py") else name
    return path.endswith(".py")


def load_module(name: str) -> tuple[ModuleType, str, str]:
    """Return ``(module, name in it, source)`` of ``file.py``, ``file.py:name`` or ``package.module:name``.

    The name is empty where none was given.

    Raises
    ------
    StrategyError
        When there is no such file or module, or it cannot be loaded.
    """
    if not _looks_like_file(name):
        module_name, _, member = name.rpartition(":")
        return _import_module(module_name, name), member, name
    source, _, member = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    path = Path(source)
    if not path.is_file():
        raise StrategyError(f"the file {path} does not exist")
    return import_file(path), member, source


def _import_module(module_name: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise StrategyError(f"there is no module '{module_name}' for '{name}': {error}") from error
    except Exception as error:
        raise StrategyError(f"{module_name} cannot be loaded: {type(error).__name__}: {error}") from error


def strategies_in(module: ModuleType) -> dict[str, StrategyClass]:
    """Return the strategy classes that a module defines, by name."""
    return {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, (Strategy, CompiledStrategy))
        and value.__module__ == module.__name__
    }


def _class_of(module: ModuleType, class_name: str, source: str) -> StrategyClass:
    """Return the named strategy class, or the only one that the module defines."""
    found = strategies_in(module)
    if class_name:
        if class_name not in vars(module):
            raise StrategyError(f"{source} has no class '{class_name}'{nearest_name(class_name, found)}")
        return _checked(vars(module)[class_name], f"{source}:{class_name}")
    if len(found) == 1:
        return _checked(next(iter(found.values())), source)
    if not found:
        raise StrategyError(
            f"{source} defines no strategy; expected a subclass of Strategy or CompiledStrategy"
        )
    raise StrategyError(
        f"{source} defines {', '.join(found)}; name one of them: {source}:{next(iter(found))}"
    )


def _checked(value: object, source: str) -> StrategyClass:
    if not (isinstance(value, type) and issubclass(value, (Strategy, CompiledStrategy))):
        raise StrategyError(
            f"{source} is not a strategy; expected a subclass of Strategy or CompiledStrategy"
        )
    if not value.parameters:
        raise StrategyError(f"{source} declares no parameters; there is nothing to optimise")
    return value
