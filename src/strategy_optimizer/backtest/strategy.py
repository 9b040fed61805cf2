"""The two ways to write a strategy.

Vectorised: subclass `Strategy` and compute boolean arrays with NumPy, or any library.
Compiled: subclass `CompiledStrategy` and write a loop over bars that Numba compiles into the kernel.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from strategy_optimizer.backtest.code_digest import function_digest
from strategy_optimizer.backtest.indicator_cache import IndicatorCache
from strategy_optimizer.backtest.signals import Signals
from strategy_optimizer.errors import StrategyError, nearest_name
from strategy_optimizer.market import Bars
from strategy_optimizer.space import Parameter, ParameterSpace

ORDER_FIELDS = ("size", "stop_loss", "take_profit", "trailing_stop")


class Parameters(dict[str, Any]):
    """The parameters of one candidate: ``p["fast"]`` and ``p.fast`` are the same; inactive ones are None."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no parameter '{name}'{nearest_name(name, self)}") from None


class BaseStrategy:
    """What both kinds of strategy share: a name, parameters and constraints between them."""

    name: ClassVar[str] = ""
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    constraints: ClassVar[Sequence[str]] = ()

    @classmethod
    def space(cls) -> ParameterSpace:
        """Return the parameter space that the class declares."""
        return ParameterSpace(cls.label(), dict(cls.parameters), constraints=cls.constraints)

    @classmethod
    def label(cls) -> str:
        """Return the declared name, or the class name."""
        return cls.name or cls.__name__

    @classmethod
    def digest(cls) -> str:
        """Return the SHA-256 that identifies the strategy's code and parameters in results."""
        digest = hashlib.sha256(cls.space().digest.encode())
        for function in cls._functions():
            digest.update(function_digest(function).encode())
        return digest.hexdigest()

    @classmethod
    def _functions(cls) -> list[Callable[..., Any]]:
        """Return every function that the class and its bases outside this module define."""
        classes = [c for c in cls.__mro__ if c.__module__ not in (__name__, "builtins")]
        members = [getattr(m, "__func__", m) for c in classes for _, m in sorted(vars(c).items())]
        return [m for m in members if inspect.isfunction(m)]


def declared_space(strategy: type[BaseStrategy]) -> ParameterSpace:
    """Return the space that a strategy declares, made once: to read it, not to change it."""
    return _declared_space(strategy)  # type: ignore[arg-type]  # mypy overlooks that a class has a hash


@cache
def _declared_space(strategy: type[BaseStrategy]) -> ParameterSpace:
    return strategy.space()


class Strategy(BaseStrategy):
    """A strategy in the vectorised style: subclass it and write `signals`.

    Parameters are attributes of ``self``; an inactive one is None.

    Examples
    --------
    >>> import numpy as np
    >>> from strategy_optimizer import Discrete
    >>> class Breakout(Strategy):
    ...     parameters = {"days": Discrete(5, 50, default=20)}
    ...     def warmup(self, p):
    ...         return p.days
    ...     def signals(self, bars):
    ...         change = np.zeros(bars.n_bars)
    ...         change[self.days:] = bars.close[self.days:] / bars.close[:-self.days] - 1
    ...         return Signals(entries=change > 0.05, exits=change < 0)
    >>> Breakout(days=10).days
    10
    """

    def __init__(self, **parameters: Any) -> None:
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            raise StrategyError(
                f"{self.label()} has no parameter '{unknown[0]}'{nearest_name(unknown[0], self.parameters)}"
            )
        self._bind(self.space().defaults() | parameters)
        self._cache = IndicatorCache()

    def _bind(self, parameters: Mapping[str, Any]) -> None:
        """Set the parameters as attributes; those that are inactive become None."""
        for name in self.parameters:
            setattr(self, name, parameters.get(name))

    def signals(self, bars: Bars) -> Signals:
        """Return the signals on `bars`; values at bar t may use bars up to t only."""
        raise StrategyError(f"{self.label()} does not define signals(self, bars)")

    def warmup(self, p: Parameters) -> int:
        """Return how many bars the indicators need: no decision is made before that bar."""
        return 0

    def indicator(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return ``function(*args)``, computed once for the same function and arguments.

        Arrays are the same argument when they are the same object. The result must not be written to.
        """
        return self._cache.get(function, args)


class CompiledStrategy(BaseStrategy):
    """A strategy in the compiled style: subclass it and write `signals` as a loop that Numba compiles.

    ``signals(bars, p, out)`` is a static method. It reads ``bars.open, high, low, close, volume`` (one symbol:
    (bars,)) and ``p.<parameter>``, and writes ``out.entries[t]`` and ``out.exits[t]``, which start as False.
    A discrete parameter is an int; a categorical one is its choice.

    Class attributes
    ----------------
    orders
        Size and levels: the name of a parameter, or a number. Keys: size, stop_loss, take_profit, trailing_stop.
    per_bar
        Those of the same keys that `signals` writes itself, ``out.stop_loss[t]``, read at the bar of the decision.
        What it does not write is NaN: no order without a size, no level. A negative size, or a level of zero or less,
        anywhere fails the trial.
    short
        True when `signals` writes ``out.short_entries`` and ``out.short_exits``.
    notional
        True when size is cash instead of a fraction of equity.
    multi_symbol
        True when `signals` sees all symbols at once: arrays are (bars, symbols).
    """

    orders: ClassVar[Mapping[str, str | float]] = {}
    per_bar: ClassVar[Sequence[str]] = ()
    short: ClassVar[bool] = False
    notional: ClassVar[bool] = False
    multi_symbol: ClassVar[bool] = False

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        """Write the signals of all bars into `out`; values at bar t may use bars up to t only."""
        raise StrategyError("the strategy does not define signals(bars, p, out)")

    @staticmethod
    def warmup(p: Any) -> int:
        """Return how many bars the indicators need: no decision is made before that bar."""
        return 0


AnyStrategy = Strategy | CompiledStrategy | type[Strategy] | type[CompiledStrategy]


def strategy_class(strategy: AnyStrategy) -> type[Strategy] | type[CompiledStrategy]:
    """Return the class of a strategy that was given as a class or as an instance."""
    cls = strategy if isinstance(strategy, type) else type(strategy)
    if not issubclass(cls, (Strategy, CompiledStrategy)):
        raise StrategyError(
            f"{cls.__module__}.{cls.__qualname__} is not a strategy; expected a subclass of Strategy (vectorised) "
            "or CompiledStrategy (compiled), such as get_strategy('momentum') returns"
        )
    return cls
