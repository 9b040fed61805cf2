"""Any Python function as an engine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

from strategy_optimizer.backtest.code_digest import content_digest
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.checks import check_signature, function_name, wants_fold
from strategy_optimizer.engines.coroutines import finish
from strategy_optimizer.engines.division import checked_holdout
from strategy_optimizer.errors import EngineError
from strategy_optimizer.space import ParameterSpace


class CallableEngine(Engine):
    """Backtests with a function of the user's.

    Parameters
    ----------
    function : callable
        Takes a dict of parameters and returns a dict of metrics, or one number, which becomes ``{"score": number}``.
        The key ``"returns"`` may hold the simple returns from bar to bar. An ``async`` function is awaited.
    space : ParameterSpace, optional
        What may be tried, where the function's author says so.
    held_out : callable, optional
        The same backtest on the bars that the search may not see.
    label : str, optional
        For people; the function's name when left out.
    data : str, optional
        Names the bars that both functions test on, such as a file with its date or hash: in the trial ledger searches
        with the same text count against each other, whatever the functions are.

    Notes
    -----
    The function gets a dict of its own. Whatever it raises makes the trial fail with that reason. It is sent to
    worker processes, so what it refers to has to be picklable there.

    Examples
    --------
    >>> def hill(parameters):
    ...     return {"height": -(parameters["x"] - 3.0) ** 2, "returns": [0.01, -0.02]}
    >>> engine = CallableEngine(hill)
    >>> engine.run({"x": 1.0}).metrics
    {'height': -4.0}
    """

    def __init__(
        self,
        function: Callable[[dict[str, Any]], Any],
        space: ParameterSpace | None = None,
        held_out: Callable[[dict[str, Any]], Any] | None = None,
        label: str | None = None,
        data: str | None = None,
    ) -> None:
        for name, value in (("function", function), ("held_out", held_out)):
            if not callable(value) and (name == "function" or value is not None):
                raise EngineError(
                    f"{name} is {value!r} ({type(value).__name__}); expected a function that takes a dict of "
                    "parameters and returns a dict of metrics"
                )
            if inspect.isclass(value):
                raise EngineError(
                    f"{name} is the class {value.__qualname__}; expected a function or an instance"
                )
        if space is not None and not isinstance(space, ParameterSpace):
            raise EngineError(f"space is {space!r} ({type(space).__name__}); expected a ParameterSpace")
        if data is not None and not isinstance(data, str):
            raise EngineError(
                f"data is {data!r} ({type(data).__name__}); expected a text that names the bars"
            )
        for called in filter(None, (function, held_out)):
            name = function_name(called)
            advice = f"write lambda p: {name}(**p) for a function of named parameters"
            if wants_fold(called):
                advice = "say how many folds there are: folds=8, or --folds 8"
            check_signature(called, "one dict of parameters", {}, advice=advice)
        self._function = function
        self._space = space
        self._held_out = held_out
        self._data = data
        self.label = label or function_name(function)

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Call the function with the parameters and check what it returns."""
        found = self._function(dict(parameters))
        if inspect.isawaitable(found):
            found = finish(found)
        if type(found) is not bool and isinstance(found, (Real, Decimal)):
            found = {"score": found}
        if not isinstance(found, Mapping):
            return EngineRun(found)  # says what was expected
        metrics = dict(found)
        returns = metrics.pop("returns", None)
        return EngineRun(metrics, returns)

    def digest(self) -> str:
        """Return the digest of the function's code and of everything it reaches by name."""
        return content_digest(self._function)

    def data_digest(self) -> str | None:
        """Return the text that names the data, where there is one."""
        return self._data

    def space(self) -> ParameterSpace | None:
        """Return the space that was given with the function."""
        return self._space

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Return this engine, and the one of the function for the bars held out, where there is one."""
        if checked_holdout(holdout) == 0.0 or self._held_out is None:
            return self, None
        return self, CallableEngine(self._held_out, self._space, label=f"{self.label}, held out")
