"""One strategy on several parts of the data: its metrics are those of all parts together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.callable_engine import CallableEngine
from strategy_optimizer.engines.checks import check_signature, function_name
from strategy_optimizer.errors import EngineError
from strategy_optimizer.space import ParameterSpace

ADDED_UP = ("trades", "costs_paid")
"""Metrics that the parts add up to; all others are means over them."""


class FoldedEngine(Engine):
    """Runs the same parameters on each of several engines: walk-forward windows, years, symbols.

    A search can stop a trial after some folds when it cannot catch up any more.

    Parameters
    ----------
    folds : sequence of Engine
        At least two, whose numbers can be compared: the same metrics on parts of about the same weight.

    Raises
    ------
    EngineError
        Fewer than two folds, or one that is no engine.

    Examples
    --------
    >>> from strategy_optimizer.engines import CallableEngine
    >>> years = [CallableEngine(lambda p, best=best: -abs(p["x"] - best)) for best in (2, 4)]
    >>> FoldedEngine(years).run({"x": 3}).metrics
    {'score': -1.0}
    """

    def __init__(self, folds: Sequence[Engine]) -> None:
        self.folds = tuple(folds)
        if len(self.folds) < 2:
            raise EngineError(f"found {len(self.folds)} fold; expected at least two engines")
        for number, fold in enumerate(self.folds):
            if not isinstance(fold, Engine):
                raise EngineError(
                    f"fold {number} is {fold!r} ({type(fold).__name__}); expected an Engine: CallableEngine makes "
                    "one of a function"
                )
        self.label = f"{self.folds[0].label}, {len(self.folds)} folds"

    @classmethod
    def of_function(
        cls, function: Callable[[dict[str, Any], int], Any], folds: int, space: ParameterSpace | None = None
    ) -> Self:
        """Return the engine of one function of the parameters and the fold, which is 0 to `folds` - 1.

        Parameters
        ----------
        function : callable
            What `CallableEngine` takes, with the fold as its second argument.
        folds : int
            At least 2.
        space : ParameterSpace, optional
            What may be tried, where the function's author says so.

        Raises
        ------
        EngineError
            When it is no such function, or too few folds.

        Examples
        --------
        >>> years = FoldedEngine.of_function(lambda p, fold: -abs(p["x"] - fold), 4)
        >>> years.run({"x": 1}).metrics
        {'score': -1.0}
        """
        if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
            raise EngineError(f"folds is {folds!r}; expected a whole number from 2 up")
        if not callable(function):
            raise EngineError(
                f"the function of the folds is {function!r} ({type(function).__name__}); expected a function of "
                "(parameters, fold)"
            )
        advice = "expected a function of (parameters, fold), or no folds for one that runs whole"
        check_signature(function, "one dict of parameters and a fold", {}, 0, advice=advice)
        name = function_name(function)
        return cls([CallableEngine(partial(_on_fold, function, i), space, label=name) for i in range(folds)])

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Run all folds and put their metrics together."""
        return EngineRun(combine([fold.run(parameters).metrics for fold in self.folds], len(self.folds)))

    def try_out(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Try out the first fold, then run all."""
        self.folds[0].try_out(parameters)
        return self.run(parameters)

    def longest_try(self) -> float | None:
        """Return what the first fold says."""
        return self.folds[0].longest_try()

    def check(self) -> None:
        """Check every fold."""
        for fold in self.folds:
            fold.check()

    def digest(self) -> str:
        """Return a digest of the folds' digests, in their order."""
        return hashlib.sha256("\n".join(fold.digest() for fold in self.folds).encode()).hexdigest()

    def space(self) -> ParameterSpace | None:
        """Return the space of the first fold."""
        return self.folds[0].space()

    def versions(self) -> dict[str, str]:
        """Return the versions of all folds."""
        return {name: version for fold in self.folds for name, version in fold.versions().items()}


def _on_fold(function: Callable[..., Any], fold: int, parameters: dict[str, Any]) -> Any:
    return function(parameters, fold)


def combine(metrics: Sequence[Mapping[str, float]], n_folds: int) -> dict[str, float]:
    """Return the metrics of a trial of `n_folds` folds, of which those of some are known.

    Means over the folds that are known; `ADDED_UP` are what all folds would add up to. A metric that one fold does not
    have is left out.

    >>> combine([{"sharpe_ratio": 1.0, "trades": 3.0}, {"sharpe_ratio": 0.5, "trades": 5.0}], n_folds=4)
    {'sharpe_ratio': 0.75, 'trades': 16.0}
    """
    names = [name for name in metrics[0] if all(name in fold for fold in metrics)]
    means = {name: sum(fold[name] for fold in metrics) / len(metrics) for name in names}
    return {name: n_folds * mean if name in ADDED_UP else mean for name, mean in means.items()}
