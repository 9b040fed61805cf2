"""Compiled strategies with every index checked.

Numba does not look at indices: ``close[t + 1]`` at the last bar reads whatever lies behind the array, and a
write there destroys it. Here a strategy, and the compiled functions it calls by a global name, are compiled
once more with checks, or taken as plain Python to find the line.
"""

from __future__ import annotations

import traceback
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import CompiledStrategy, Strategy
from strategy_optimizer.backtest.evaluate import CompiledSignals, VectorisedSignals
from strategy_optimizer.backtest.explain import explain_compilation
from strategy_optimizer.errors import StrategyError
from strategy_optimizer.market import Bars


class CheckedSignals(CompiledSignals):
    """Makes the signals of a compiled strategy with every index checked."""

    def __init__(self, strategy: type[CompiledStrategy], bars: Bars) -> None:
        super().__init__(strategy, bars)
        self._write_candidate = _checked(self.kernel.write_candidate)

    def compile(self) -> None:
        """Compile the checked code; a strategy that Numba cannot compile is the caller's mistake."""
        if self._write_candidate.signatures:
            return
        import numba  # loaded with the kernel

        arguments = self.prices, np.empty(self.space.n_dims), self.room(1), 0
        try:
            self._write_candidate.compile(tuple(numba.typeof(argument) for argument in arguments))  # type: ignore[no-untyped-call]
        except Exception as error:
            raise StrategyError(explain_compilation(self.strategy, error)) from error

    def _write(self, points: NDArray[np.float64], used: Any) -> None:
        for i, point in enumerate(points):
            self._write_candidate(self.prices, point, used, i)

    def place_of_index_error(self, params: Mapping[str, Any]) -> str:
        """Return the line that goes out of bounds: the code runs as plain Python, which knows its lines."""
        self._write_candidate = _rebuilt(self.kernel.write_candidate, _as_python)
        try:
            self.fill(self.space.from_dicts([params]), self.room(1))
        except IndexError as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f" ({frame.filename}, line {frame.lineno}: {error})"
        except Exception:  # plain Python differs from compiled code here and there; then no line is known
            return ""
        return ""


def signal_maker(
    strategy: type[Strategy] | type[CompiledStrategy], bars: Bars, *, indices: bool
) -> CompiledSignals | VectorisedSignals:
    """Return what makes a strategy's signals on some bars; `indices` says whether compiled code checks every index."""
    if issubclass(strategy, CompiledStrategy):
        return CheckedSignals(strategy, bars) if indices else CompiledSignals(strategy, bars)
    return VectorisedSignals(strategy, bars)


@cache  # compiling takes seconds, and one check needs it for many lengths and candidates
def _checked(compiled: Any) -> Any:
    return _rebuilt(compiled, _with_checks)


def _rebuilt(compiled: Any, finish: Callable[[Any, types.FunctionType], Any]) -> Any:
    """Return a compiled function made anew by `finish`, and with it all compiled functions that it calls."""
    from numba.core.dispatcher import Dispatcher  # costs 0.4 s: loaded with the first kernel

    made: dict[int, Any] = {}

    def rebuild(dispatcher: Any) -> Any:
        if id(dispatcher) in made:
            return made[id(dispatcher)]
        source = dispatcher.py_func
        scope = dict(source.__globals__)
        function = types.FunctionType(
            source.__code__, scope, source.__name__, source.__defaults__, _cells(source.__closure__)
        )
        function.__kwdefaults__ = source.__kwdefaults__
        made[id(dispatcher)] = finish(dispatcher, function)
        for name in source.__code__.co_names:
            if isinstance(scope.get(name), Dispatcher):
                scope[name] = rebuild(scope[name])
        return made[id(dispatcher)]

    def _cells(closure: Any) -> Any:
        if closure is None:
            return None
        values = (cell.cell_contents for cell in closure)
        return tuple(types.CellType(rebuild(v) if isinstance(v, Dispatcher) else v) for v in values)

    return rebuild(compiled)


def _with_checks(dispatcher: Any, function: types.FunctionType) -> Any:
    import numba

    kept = {k: v for k, v in dispatcher.targetoptions.items() if k in ("error_model", "inline", "nogil")}
    return numba.njit(boundscheck=True, **kept)(function)


def _as_python(dispatcher: Any, function: types.FunctionType) -> Any:
    return function
