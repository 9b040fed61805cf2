"""Strategies of NautilusTrader as an engine.

NautilusTrader is under the LGPL 3.0. It is imported when a backtest runs, and by nothing else in this package.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import numpy as np

from strategy_optimizer.backtest.code_digest import content_digest
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.division import bars_searched, checked_holdout
from strategy_optimizer.engines.nautilus_recording import Recorder, Recording, together
from strategy_optimizer.engines.packages import Package
from strategy_optimizer.errors import EngineError, nearest_name

NAUTILUS = Package("NautilusTrader", "nautilus_trader", "nautilus_trader", "nautilus", (1, 221), (1, 222))


@dataclass(frozen=True)
class Prepared:
    """A `BacktestEngine` with its data and strategies, the time that it is to run, and who runs it if not we."""

    engine: Any
    start: Any = None
    end: Any = None
    run: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Settings:
    """What all engines of NautilusTrader share.

    Attributes
    ----------
    interval : timedelta
        Between two values of the equity, which are those at the last data of each interval that has any.
    currency : str or None
        Code of the currency to count in.
    holdout : float
        Share of the moments that is kept out of the search; 0 takes all.
    is_held_out : bool
        Whether this is the engine of the share kept out.
    """

    interval: timedelta = timedelta(days=1)
    currency: str | None = None
    holdout: float = 0.0
    is_held_out: bool = False


class NautilusBase(Engine):
    """Runs one or several `BacktestEngine`s a trial, and disposes of each; subclasses prepare them."""

    def __init__(self, label: str, interval: timedelta, currency: str | None) -> None:
        if not isinstance(interval, timedelta) or interval <= timedelta(0):
            raise EngineError(f"interval is {interval!r}; expected a timedelta above zero")
        self.label = label
        self._settings = Settings(interval, currency)

    @abstractmethod
    def _prepared(self, parameters: Mapping[str, Any]) -> Iterator[Prepared]:
        """Yield what is to run for the parameters; each is disposed of before the next one is asked for."""

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Backtest the parameters with one `BacktestEngine` or several, one after the other."""
        NAUTILUS.load()
        runs = [self._run_one(prepared) for prepared in self._prepared(parameters)]
        recording = together([recording for recording, _ in runs])
        account = recording.account()
        own = runs[0][1] if len(runs) == 1 else {}
        metrics = {
            **own,
            **account.metrics(),
            "commissions": float(recording.fills[:, 2].sum()),
            "rejected_orders": float(recording.rejected),
        }
        return EngineRun(metrics, account.returns())

    def _run_one(self, prepared: Prepared) -> tuple[Recording, dict[str, float]]:
        engine = prepared.engine
        try:
            start, end = self._times(prepared)
            interval = self._settings.interval // timedelta(microseconds=1) * 1000
            recorder = Recorder(engine, interval, self._settings.currency)
            if prepared.run is not None:
                prepared.run()
            else:
                # Streaming, because a run without it swallows the error of an account that is used up.
                engine.run(start=start, end=end, streaming=True)
                engine.end()
            return recorder.recording(), _own_statistics(engine.get_result())
        finally:
            engine.kernel.cache.reset()  # a disposed engine stays in memory; its orders and bars need not
            engine.dispose()

    def _times(self, prepared: Prepared) -> tuple[Any, Any]:
        """Return start and end of the part that is to run."""
        settings = self._settings
        if settings.holdout == 0.0:
            return prepared.start, prepared.end
        moments = _moments(prepared)
        searched = bars_searched(len(moments), settings.holdout, self.label)
        if settings.is_held_out:
            return int(moments[searched]), prepared.end
        return prepared.start, int(moments[searched - 1])

    def check(self) -> None:
        """Find out whether NautilusTrader is there in a version that is supported."""
        NAUTILUS.load()

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Cut the data by their moments. A strategy of the second part starts anew, so its indicators warm up first."""
        if checked_holdout(holdout) == 0.0:
            return self, None
        if self._settings.holdout > 0.0:
            raise EngineError(f"{self.label} is a part of its data already; divide the whole")
        return self._with(holdout=holdout), self._with(holdout=holdout, is_held_out=True)

    def _with(self, **changes: Any) -> NautilusBase:
        other: NautilusBase = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._settings = replace(self._settings, **changes)
        return other

    def versions(self) -> dict[str, str]:
        """Return the versions of what makes the numbers."""
        python = ".".join(map(str, sys.version_info[:3]))
        return {
            "python": python,
            "nautilus_trader": NAUTILUS.version(),
            "pandas": version("pandas"),
            "numpy": version("numpy"),
        }

    def digest(self) -> str:
        """Return the digest of code, configuration, data, settings and versions."""
        return content_digest(*self._ingredients(), str(self._settings), self.versions())

    @abstractmethod
    def _ingredients(self) -> Sequence[Any]:
        """Return what the numbers depend on besides settings and versions."""


class NautilusEngine(NautilusBase):
    """Backtests whatever a function makes of the parameters: a `BacktestEngine` that is ready to run.

    Parameters
    ----------
    build : callable
        Takes a dict of parameters and returns a new ``BacktestEngine`` with venues, instruments, data and strategies.
        It is sent to worker processes, so it has to be a function of a module. `NautilusStrategy` is one.
    start, end : optional
        As for ``BacktestEngine.run``.
    interval : timedelta
        Between two values of the equity; returns are from one to the next.
    currency : str, optional
        Code of the currency to count in. Left out: the accounts' base currency or, where they have none, the quote
        currency that all instruments have in common.
    label : str, optional
        For people.

    Notes
    -----
    Equity is balances plus open positions at the last prices of each interval that has data, after its fills; metrics
    under our names are computed from it, from positions and from fills. NautilusTrader's own stand beside them under
    its names, such as ``"PnL (total)"`` and ``"Sharpe Ratio (252 days)"``, which counts returns of positions and not of
    days. ``costs_paid`` is not known, since slippage is in the prices; ``commissions`` is what was charged. What an
    account cannot bear any more fails the trial.
    """

    def __init__(
        self,
        build: Callable[[dict[str, Any]], Any],
        *,
        start: Any = None,
        end: Any = None,
        interval: timedelta = timedelta(days=1),
        currency: str | None = None,
        label: str | None = None,
    ) -> None:
        if not callable(build) or isinstance(build, type):
            raise EngineError(
                f"build is {build!r}; expected a function that takes parameters and returns a BacktestEngine, or "
                "NautilusStrategy(...)"
            )
        name = getattr(build, "label", None) or getattr(build, "__qualname__", type(build).__qualname__)
        super().__init__(label or f"NautilusTrader: {name}", interval, currency)
        self._build = build
        self._start, self._end = start, end

    def _prepared(self, parameters: Mapping[str, Any]) -> Iterator[Prepared]:
        from nautilus_trader.backtest.engine import BacktestEngine

        engine = self._build(dict(parameters))
        if not isinstance(engine, BacktestEngine):
            raise EngineError(f"{self.label} returned {engine!r}; expected a BacktestEngine")
        yield Prepared(engine, self._start, self._end)

    def check(self) -> None:
        """Find out whether NautilusTrader is there, and whether a `NautilusStrategy` has what it needs."""
        super().check()
        if isinstance(self._build, NautilusStrategy):
            self._build.check()

    def _ingredients(self) -> Sequence[Any]:
        build = self._build
        what = build.ingredients() if isinstance(build, NautilusStrategy) else (build,)
        return (*what, str(self._start), str(self._end))


class NautilusStrategy:
    """Builds a `BacktestEngine` for one strategy whose configuration takes the parameters.

    Parameters
    ----------
    strategy : type
        A subclass of ``nautilus_trader.trading.strategy.Strategy``.
    config : StrategyConfig
        Values of everything that is not searched.
    venues : sequence of mappings
        The arguments of ``BacktestEngine.add_venue``, a mapping for each venue.
    instruments, data : sequences
        What ``add_instrument`` and ``add_data`` take.
    engine : BacktestEngineConfig, optional
        Of the engine; one that writes no log when left out.
    """

    def __init__(
        self,
        strategy: type,
        config: Any,
        *,
        venues: Sequence[Mapping[str, Any]],
        instruments: Sequence[Any],
        data: Sequence[Any],
        engine: Any = None,
    ) -> None:
        if not isinstance(strategy, type):
            raise EngineError(f"strategy is {strategy!r}; expected a class, a subclass of Strategy")
        self.label = strategy.__name__
        self._strategy, self._config, self._engine = strategy, config, engine
        self._venues, self._instruments, self._data = [dict(v) for v in venues], list(instruments), list(data)
        for name in ("venues", "instruments", "data"):
            if not getattr(self, f"_{name}"):
                raise EngineError(f"{name} is empty; expected at least one")

    def __call__(self, parameters: Mapping[str, Any]) -> Any:
        """Return a new engine, ready to run."""
        from nautilus_trader.backtest.engine import BacktestEngine

        strategy = self._strategy(configured(self._config, parameters))
        engine = BacktestEngine(self._engine or quiet())
        for venue in self._venues:
            engine.add_venue(**venue)
        for instrument in self._instruments:
            engine.add_instrument(instrument)
        engine.add_data(self._data)
        engine.add_strategy(strategy)
        return engine

    def check(self) -> None:
        """Refuse what is no strategy or no configuration of one."""
        from nautilus_trader.trading.config import StrategyConfig
        from nautilus_trader.trading.strategy import Strategy

        if not issubclass(self._strategy, Strategy):
            raise EngineError(
                f"{self._strategy.__qualname__} is not a strategy; expected a subclass of Strategy"
            )
        if not isinstance(self._config, StrategyConfig):
            raise EngineError(f"config is {self._config!r}; expected an instance of a StrategyConfig")

    def ingredients(self) -> Sequence[Any]:
        """Return what a result depends on."""
        return (
            self._strategy,
            self._config.json(),
            [{name: _stable(value) for name, value in venue.items()} for venue in self._venues],
            [str(type(i).to_dict(i)) for i in self._instruments],
            data_digest(self._data),
            str(self._engine),
        )


def configured(config: Any, parameters: Mapping[str, Any]) -> Any:
    """Return a strategy's configuration with the parameters in it, each as the type that its field declares."""
    import msgspec
    from nautilus_trader.common.config import msgspec_decoding_hook

    types = field_types(type(config))
    check_names(parameters, types, type(config).__name__)
    values = {}
    for name, value in parameters.items():
        try:
            values[name] = msgspec.convert(value, types[name], dec_hook=msgspec_decoding_hook)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise EngineError(f"{type(config).__name__} does not take {name}={value!r}: {error}") from error
    return msgspec.structs.replace(config, **values)


def field_types(config_class: type) -> dict[str, Any]:
    """Return the fields of a configuration class and their types."""
    import msgspec

    return {field.name: field.type for field in msgspec.structs.fields(config_class)}


def check_names(parameters: Mapping[str, Any], fields: Mapping[str, Any], owner: str) -> None:
    """Refuse parameters that no field has."""
    for name in parameters:
        if name not in fields:
            raise EngineError(
                f"{owner} has no field '{name}'{nearest_name(name, fields)} (it has {', '.join(fields)})"
            )


def quiet() -> Any:
    """Return the configuration of an engine that writes no log."""
    from nautilus_trader.backtest.engine import BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig

    return BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True))


def _stable(value: Any) -> str | bytes:
    """Return what says what a value is, in any process; a model of fees or fills shows nothing but its address."""
    text = repr(value)
    return pickle.dumps(value) if " at 0x" in text else text


def data_digest(data: Sequence[Any]) -> str:
    """Return the digest of data objects by their content."""
    digest = hashlib.sha256()
    for item in data:
        content = type(item).to_dict(item) if hasattr(type(item), "to_dict") else item
        digest.update(str(content).encode() + b"\0")
    return digest.hexdigest()


def _moments(prepared: Prepared) -> Any:
    """Return the moments of an engine's data, in order and each once, nanoseconds."""
    from nautilus_trader.core.datetime import dt_to_unix_nanos

    moments = np.unique(np.array([item.ts_init for item in prepared.engine.data], dtype=np.int64))
    if prepared.start is not None:
        moments = moments[moments >= dt_to_unix_nanos(prepared.start)]
    if prepared.end is not None:
        moments = moments[moments <= dt_to_unix_nanos(prepared.end)]
    return moments


def _own_statistics(result: Any) -> dict[str, float]:
    """Return NautilusTrader's statistics under its names; those of a currency with its code if there are several."""
    several = len(result.stats_pnls) > 1
    own = {
        f"{code} {name}" if several else name: value
        for code, statistics in result.stats_pnls.items()
        for name, value in statistics.items()
    }
    own |= result.stats_returns
    return {name: float(value) for name, value in own.items() if value is not None}
