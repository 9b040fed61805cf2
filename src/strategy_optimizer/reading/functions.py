"""What child processes of the API may be asked for, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.storage import Store


@dataclass(frozen=True)
class Call:
    """One call in a child process.

    Attributes
    ----------
    store : Store
    arguments : mapping
    send : callable
        Sends a piece of a file to who asked.
    """

    store: Store
    arguments: Mapping[str, Any]
    send: Callable[[bytes], None]


def run(name: str, call: Call) -> Any:
    """Run a function and return what it found, a JSON value or text.

    Raises
    ------
    StrategyOptimizerError
        When there is no such function, and what the function raises.
    """
    if name not in FUNCTIONS:
        raise StrategyOptimizerError(f"there is no function {name!r}; there are {', '.join(FUNCTIONS)}")
    return FUNCTIONS[name](call)


def _export(call: Call) -> None:
    from strategy_optimizer.reading.exporting import export_trials

    given = call.arguments
    export_trials(call.store, given["task"], given["trials"], given["format"], call.send)


def _analysing(name: str) -> Callable[[Call], Any]:
    def work(call: Call) -> Any:
        from strategy_optimizer.reading import analysing

        return getattr(analysing, name)(call.store, **call.arguments)

    return work


def _index(call: Call) -> Any:
    from strategy_optimizer.reading.table_folder import index

    return index(call.store, **call.arguments)


def _backtesting(name: str) -> Callable[[Call], Any]:
    def work(call: Call) -> Any:
        from strategy_optimizer.reading import backtesting

        return getattr(backtesting, name)(call.store, **call.arguments)

    return work


FUNCTIONS: Mapping[str, Callable[[Call], Any]] = {
    "export": _export,
    "index": _index,
    **{name: _backtesting(name) for name in ("engine_health", "engine_backtest")},
    **{name: _analysing(name) for name in ("analysis", "prediction", "comparison", "report")},
}
