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

from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.backtest.evaluate import CompiledSignals, VectorisedSignals
from strategy_optimizer.market import Bars


class CheckedEvaluator(PopulationEvaluator):
    """Computes signals with every index of compiled code checked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_vectorised = isinstance(self.signal_maker, VectorisedSignals)
        if isinstance(self.signal_maker, CompiledSignals):
            kernel = self.signal_maker.kernel
            self._unchecked = kernel.compiled_signals
            checked = _checked(self._unchecked)
            self.signal_maker.kernel = types.SimpleNamespace(  # type: ignore[assignment]  # all that is used of it
                compiled_signals=checked, SignalArrays=kernel.SignalArrays
            )

    def on(self, bars: Bars) -> CheckedEvaluator:
        """Return the evaluator for other bars."""
        return CheckedEvaluator(self.strategy, bars, self.rules)

    def place_of_index_error(self, params: Mapping[str, Any]) -> str:
        """Return the line that goes out of bounds: the code runs as plain Python, which knows its lines."""
        maker = self.signal_maker
        if not isinstance(maker, CompiledSignals):
            return ""
        points = self.space.from_dicts([self.space.validate(params)])
        try:
            _rebuilt(self._unchecked, _as_python)(maker.prices, points, maker.room(1))
        except IndexError as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f" ({frame.filename}, line {frame.lineno}: {error})"
        except Exception:  # plain Python differs from compiled code here and there; then no line is known
            return ""
        return ""


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
