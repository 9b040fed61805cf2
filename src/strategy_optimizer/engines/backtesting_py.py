"""Strategies of backtesting.py as an engine.

backtesting.py is under the AGPL 3.0. It is imported when a backtest runs, and by nothing else in this package.
"""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from strategy_optimizer.backtest.code_digest import content_digest
from strategy_optimizer.engines.account import Account
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.division import bars_searched, checked_holdout
from strategy_optimizer.engines.frames import FrameArrays, frame_arrays
from strategy_optimizer.engines.packages import BACKTESTING_PY
from strategy_optimizer.errors import EngineError, nearest_name
from strategy_optimizer.space import Categorical, ParameterSpace

_PRICES = ("Open", "High", "Low", "Close")
# `Backtest`'s settings and their defaults in 0.6; `check` compares them with the installed version.
_SETTINGS: Mapping[str, Any] = {
    "cash": 10_000,
    "spread": 0.0,
    "commission": 0.0,
    "margin": 1.0,
    "trade_on_close": False,
    "hedging": False,
    "exclusive_orders": False,
    "finalize_trades": False,
}
_NUMBERS = {"cash": "above 0", "margin": "above 0 and up to 1", "spread": "from 0"}
_quiet = threading.Lock()


class BacktestingEngine(Engine):
    """Backtests a `Strategy` class of backtesting.py.

    Parameters
    ----------
    strategy_class : type
        A subclass of ``backtesting.Strategy``; its parameters are its class attributes.
    data : pandas.DataFrame, Bars or str
        What ``Backtest`` takes: columns Open, High, Low, Close and, if there is one, Volume. Bars of `load_bars`, or a
        name or file that it takes, do too.
    **settings
        Those of ``Backtest``: cash, spread, commission, margin, trade_on_close, hedging, exclusive_orders,
        finalize_trades.

    Notes
    -----
    Metrics under our names are computed from the equity curve and the trades by our definitions; backtesting.py's own
    stand beside them under its names, such as ``"SQN"`` and ``"Sharpe Ratio"``. Orders fill at the next open unless
    ``trade_on_close`` is set, as backtesting.py does it.
    """

    def __init__(self, strategy_class: type, data: Any, **settings: Any) -> None:
        _check_class(strategy_class)
        unknown = next((name for name in settings if name not in _SETTINGS), None)
        if unknown is not None:
            raise EngineError(
                f"Backtest has no setting '{unknown}'{nearest_name(unknown, _SETTINGS)} "
                f"(it has {', '.join(_SETTINGS)})"
            )
        for name, expected in _NUMBERS.items():
            _check_number(name, settings.get(name, _SETTINGS[name]), expected)
        self._strategy = strategy_class
        self._frame = _checked_frame(frame_arrays(data))
        self._settings = settings
        self.label = f"backtesting.py: {strategy_class.__name__}"
        self._backtest: Any = None

    # -- what an engine is -------------------------------------------------------------------------------------

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Backtest the parameters with ``Backtest.run``."""
        unknown = next((name for name in parameters if not hasattr(self._strategy, name)), None)
        if unknown is not None:
            known = declared_parameters(self._strategy)
            raise EngineError(
                f"{self._strategy.__name__} has no parameter '{unknown}'{nearest_name(unknown, known)} "
                f"(it has {', '.join(known) or 'none'})"
            )
        if self._backtest is None:
            self._backtest = self._new_backtest()
        with _silence():
            stats = self._backtest.run(**parameters)
        account = self._account(stats)
        metrics = {**_own_numbers(stats), **account.metrics(), "costs_paid": self._costs_paid(stats)}
        return EngineRun(metrics, account.returns())

    def check(self) -> None:
        """Find out whether backtesting.py is there in a version that is supported, and takes class and data."""
        backtesting = BACKTESTING_PY.load()
        if not issubclass(self._strategy, backtesting.Strategy):
            raise EngineError(
                f"{self._strategy.__module__}.{self._strategy.__qualname__} is not a strategy of backtesting.py; "
                "expected a subclass of backtesting.Strategy"
            )
        lowest, cash = float(np.min(self._frame.columns["Close"])), float(self._setting("cash"))
        margin = float(self._setting("margin"))
        if lowest * margin > cash:
            raise EngineError(
                f"no order can ever fill: backtesting.py trades whole shares, the lowest price is {lowest:g} and "
                f"cash is {cash:g}; give more cash, such as cash={1000 * lowest:.0f}"
            )
        self._new_backtest()

    def digest(self) -> str:
        """Return the digest of the strategy's code, the data, the settings and the versions."""
        frame = self._frame
        return content_digest(
            self._strategy, frame.columns, frame.index, frame.zone, dict(self._settings), self.versions()
        )

    def data_digest(self) -> str | None:
        """Return the digest of the frame."""
        return self._frame.digest()

    def space(self) -> ParameterSpace | None:
        """Return the space of a strategy whose parameters are all true or false; None if it has no parameters.

        Raises
        ------
        EngineError
            When a parameter is a number or a text: nobody can know between which values it may lie.
        """
        declared = declared_parameters(self._strategy)
        open_ended = {name: value for name, value in declared.items() if not isinstance(value, bool)}
        if open_ended:
            name, value = next(iter(open_ended.items()))
            found = ", ".join(f"{key}={value!r}" for key, value in open_ended.items())
            raise EngineError(
                f"{self._strategy.__name__} declares {found} without bounds; give space={{'{name}': "
                f"{_example(value)}, ...}} with the values that may be tried"
            )
        if not declared:
            return None
        choices = {name: Categorical([False, True], value) for name, value in declared.items()}
        return ParameterSpace(self._strategy.__name__, dict(choices))

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Cut the frame in two. Indicators of the second part start anew, so its first bars have none."""
        split = bars_searched(len(self._frame), holdout, self.label)
        if checked_holdout(holdout) == 0.0:
            return self, None
        return self._on_rows(0, split), self._on_rows(split, len(self._frame))

    def versions(self) -> dict[str, str]:
        """Return the versions of what makes the numbers."""
        from importlib.metadata import version

        return {
            "backtesting": BACKTESTING_PY.version(),
            "pandas": version("pandas"),
            "numpy": version("numpy"),
        }

    # -- details -----------------------------------------------------------------------------------------------

    def _on_rows(self, start: int, stop: int) -> BacktestingEngine:
        return BacktestingEngine(self._strategy, self._frame.rows(start, stop), **self._settings)

    def _setting(self, name: str) -> Any:
        return self._settings.get(name, _SETTINGS[name])

    def _new_backtest(self) -> Any:
        backtesting = BACKTESTING_PY.load()
        with _silence():
            try:
                return backtesting.Backtest(self._frame.to_pandas(), self._strategy, **self._settings)
            except (TypeError, ValueError, AssertionError) as error:
                raise EngineError(f"backtesting.py refuses its settings or data: {error}") from error

    def _account(self, stats: Any) -> Account:
        """Return what the run did, in our words: closed trades first, then those that are still open."""
        closed, open_ = stats["_trades"], stats["_strategy"].trades
        n = len(self._frame)
        sizes = np.abs(_column(closed, "Size", open_, "size"))
        entry_notionals = sizes * _column(closed, "EntryPrice", open_, "entry_price")
        entry_bars = _column(closed, "EntryBar", open_, "entry_bar").astype(np.int64)
        exit_bars = closed["ExitBar"].to_numpy(np.int64)
        exit_notionals = sizes[: len(closed)] * closed["ExitPrice"].to_numpy(np.float64)
        return Account(
            equity=stats["_equity_curve"]["Equity"].to_numpy(np.float64),
            cash=float(self._setting("cash")),
            years=self._frame.years,
            entry_bars=entry_bars,
            exit_bars=np.concatenate([exit_bars, np.full(len(open_), n)]),
            pnl=_column(closed, "PnL", open_, "pl"),
            entry_notionals=entry_notionals,
            fill_bars=np.concatenate([entry_bars, exit_bars]),
            fill_notionals=np.concatenate([entry_notionals, exit_notionals]),
        )

    def _costs_paid(self, stats: Any) -> float:
        """Return commissions at all fills, and the spread, which is in the prices of the entries."""
        closed, open_ = stats["_trades"], stats["_strategy"].trades
        sizes = _column(closed, "Size", open_, "size")
        prices = _column(closed, "EntryPrice", open_, "entry_price")
        spread = np.copysign(float(self._setting("spread")), sizes)
        slipped = np.sum(sizes * prices * spread / (1.0 + spread))
        commission = self._commission()
        at_entry = sum(commission(trade.size, trade.entry_price) for trade in open_)  # booked when they close
        return float(closed["Commission"].sum() + at_entry + slipped)

    def _commission(self) -> Any:
        """Return the commission of a fill as a function of size and price."""
        setting = self._setting("commission")
        if callable(setting):
            return setting
        fixed, relative = setting if isinstance(setting, tuple) else (0.0, setting)
        return lambda size, price: fixed + abs(size) * price * relative

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_backtest": None}  # made again where it is used


def declared_parameters(strategy_class: type) -> dict[str, Any]:
    """Return the class attributes that can be optimised: numbers, texts and bools of the user's own classes."""
    found: dict[str, Any] = {}
    for cls in reversed(strategy_class.__mro__):
        if (
            cls.__module__.partition(".")[0] in ("backtesting", "builtins", "abc")
            and cls is not strategy_class
        ):
            continue
        found |= {name: value for name, value in vars(cls).items() if not name.startswith("_")}
    return {name: value for name, value in found.items() if isinstance(value, (Real, str))}


def _check_class(strategy_class: Any) -> None:
    """Refuse what is no class; whether it is one of backtesting.py's, `check` finds out."""
    if not isinstance(strategy_class, type):
        raise EngineError(
            f"strategy_class is {strategy_class!r} ({type(strategy_class).__name__}); expected a class, "
            "a subclass of backtesting.Strategy"
        )
    if inspect.isabstract(strategy_class):
        missing = ", ".join(sorted(getattr(strategy_class, "__abstractmethods__", ())))
        raise EngineError(f"{strategy_class.__qualname__} does not define {missing}")


def _check_number(name: str, value: Any, expected: str) -> None:
    """Refuse a setting that is no number, or one that cannot be; backtesting.py would say so at the first trial."""
    is_number = isinstance(value, (Real, Decimal)) and not isinstance(value, bool)
    if (
        not is_number
        or not (value >= 0 if name == "spread" else value > 0)
        or (name == "margin" and value > 1)
    ):
        raise EngineError(f"{name} is {value!r}; expected a number {expected}")


def _checked_frame(frame: FrameArrays) -> FrameArrays:
    missing = [name for name in _PRICES if name not in frame.columns]
    if missing:
        titled = {str(name).title() for name in frame.columns}
        raise EngineError(
            f"the data have no column {missing[0]!r}; expected {', '.join(_PRICES)} and, if there is one, "
            f"Volume; found {', '.join(map(str, frame.columns)) or 'none'}"
            + ("; write data.rename(columns=str.title)" if titled.issuperset(_PRICES) else "")
        )
    if len(frame) < 2:
        raise EngineError(f"the data have {len(frame)} bars; expected at least 2")
    for name in _PRICES:
        values = frame.columns[name]
        if values.dtype.kind not in "iuf":
            raise EngineError(f"the column {name} is of the type {values.dtype}; expected numbers")
        wrong = np.flatnonzero(~np.isfinite(values.astype(np.float64)))
        if len(wrong):
            raise EngineError(
                f"the column {name} has {values[wrong[0]]} in row {wrong[0] + 1}; drop or fill it"
            )
    if frame.index.dtype.kind != "M" and not frame.is_counted:
        raise EngineError(
            f"the index of the data holds {frame.index[0]!r} ({type(frame.index[0]).__name__}); expected moments: "
            "data.index = pd.to_datetime(data.index)"
        )
    if not bool(np.all(frame.index[1:] >= frame.index[:-1])):
        raise EngineError("the index of the data does not rise; sort it first: data.sort_index()")
    return frame


def _example(value: Any) -> str:
    if isinstance(value, str):
        return f"['{value}', '...']"
    return f"({value / 2:g}, {value * 2:g})" if isinstance(value, float) else f"({value // 2}, {value * 2})"


def _column(closed: Any, column: str, open_: Iterable[Any], attribute: str) -> Any:
    values = [getattr(trade, attribute) for trade in open_]
    return np.concatenate([closed[column].to_numpy(np.float64), np.array(values, dtype=np.float64)])


def _own_numbers(stats: Any) -> dict[str, float]:
    """Return backtesting.py's own statistics that are numbers, under its names."""
    own = {str(name): value for name, value in stats.items() if not str(name).startswith("_")}
    return {
        name: float(value)
        for name, value in own.items()
        if type(value) is not bool and isinstance(value, Real)
    }


@contextmanager
def _silence() -> Iterator[None]:
    """Keep quiet what is said again at each trial: a bar of progress, trades left open, orders without margin."""
    module: Any = sys.modules["backtesting.backtesting"]
    with _quiet, warnings.catch_warnings():  # the lock: both are the process's
        for said_by in (r"backtesting\.", __name__):  # the user's own code may still warn
            warnings.filterwarnings("ignore", module=said_by)
        bar, module._tqdm = module._tqdm, partial(_no_bar)
        try:
            yield
        finally:
            module._tqdm = bar


def _no_bar(steps: Iterable[Any], **_: Any) -> Iterable[Any]:
    return steps
