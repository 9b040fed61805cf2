"""Makes the kernels: the simulators, and the one that runs a compiled strategy."""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

from strategy_optimizer.backtest.kernel_cache import load_simulators, load_strategy_runner
from strategy_optimizer.backtest.strategy import ORDER_FIELDS, CompiledStrategy, declared_space
from strategy_optimizer.errors import StrategyError, nearest_name
from strategy_optimizer.space import Categorical, Discrete, Parameter, ParameterSpace

_UNPACK = """
Parameters = namedtuple("Parameters", {names!r})
Outputs = namedtuple("Outputs", {outputs!r})


@njit
def make_parameters(point):
    return Parameters({values})


@njit
def order_values(point):
    return ({orders},)


@njit
def choose_outputs(entries, exits, short_entries, short_exits, size, stop_loss, take_profit, trailing_stop):
    return Outputs({chosen})


"""


@cache
def simulators() -> types.ModuleType:
    """Return the compiled simulators."""
    return load_simulators()


@cache
def strategy_kernel(strategy: type[CompiledStrategy]) -> types.ModuleType:
    """Return the kernel of one strategy, compiled or loaded from the cache."""
    space = declared_space(strategy)
    _check_orders(strategy, space)
    outputs = ["entries", "exits"]
    if strategy.short:
        outputs += ["short_entries", "short_exits"]
    outputs += [name for name in ORDER_FIELDS if name in strategy.per_bar]
    generated = _UNPACK.format(
        names=space.names,
        outputs=tuple(outputs),
        values=", ".join(_value(i, space.parameters[name]) for i, name in enumerate(space.names)),
        orders=", ".join(_order(strategy, space, name) for name in ORDER_FIELDS),
        chosen=", ".join(outputs),
    )
    functions: dict[str, Callable[..., Any]] = {
        "strategy_signals": strategy.signals,
        "strategy_warmup": strategy.warmup,
    }
    constants = {"MULTI_SYMBOL": strategy.multi_symbol}
    return load_strategy_runner(functions, generated, constants)


def _check_orders(strategy: type[CompiledStrategy], space: ParameterSpace) -> None:
    """Refuse names that do not exist and values that are given twice."""
    for field in (*strategy.orders, *strategy.per_bar):
        if field not in ORDER_FIELDS:
            raise StrategyError(
                f"{strategy.label()}: there is no order value '{field}'{nearest_name(field, ORDER_FIELDS)}"
            )
    for field, value in strategy.orders.items():
        if field in strategy.per_bar:
            raise StrategyError(
                f"{strategy.label()}: {field} stands in both orders and per_bar; leave one out"
            )
        if isinstance(value, str) and value not in space.names:
            raise StrategyError(
                f"{strategy.label()}: {field} is taken from the parameter '{value}', "
                f"which does not exist{nearest_name(value, space.names)}"
            )


def _value(i: int, parameter: Parameter) -> str:
    """Return the expression for one parameter; an inactive discrete or categorical one takes its default."""
    if isinstance(parameter, Discrete):
        return f"(int(point[{i}]) if point[{i}] == point[{i}] else {parameter.default_value})"
    if isinstance(parameter, Categorical):
        default = list(parameter.choices).index(parameter.default_value)
        index = f"(int(point[{i}]) if point[{i}] == point[{i}] else {default})"
        return f"{tuple(parameter.choices)!r}[{index}]"
    return f"point[{i}]"


def _order(strategy: type[CompiledStrategy], space: ParameterSpace, field: str) -> str:
    """Return the expression for one order value: a parameter's column, a number, or none."""
    value: Any = strategy.orders.get(field, 1.0 if field == "size" else None)
    if value is None or field in strategy.per_bar:
        return "np.nan"
    return f"point[{space.names.index(value)}]" if isinstance(value, str) else repr(float(value))


def order_masks(strategy: type[CompiledStrategy]) -> tuple[int, ...]:
    """Return -1 for each order value that the strategy writes bar by bar, 0 for the others."""
    return tuple(-1 if name in strategy.per_bar else 0 for name in ORDER_FIELDS)
