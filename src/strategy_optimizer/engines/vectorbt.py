"""Portfolios of vectorbt as an engine.

vectorbt is under the Apache License with the Commons Clause. It is imported when a backtest runs, and by nothing else
in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from strategy_optimizer.backtest.code_digest import content_digest
from strategy_optimizer.engines.account import Account, years_of
from strategy_optimizer.engines.base import Engine, EngineRun
from strategy_optimizer.engines.checks import check_signature, function_name
from strategy_optimizer.engines.division import bars_searched, checked_holdout
from strategy_optimizer.engines.frames import FrameArrays, frame_arrays, is_pandas
from strategy_optimizer.engines.packages import VECTORBT
from strategy_optimizer.errors import EngineError
from strategy_optimizer.market import Bars
from strategy_optimizer.space import ParameterSpace

_CLOSED = 1  # of a position's status in vectorbt's records


class VectorbtEngine(Engine):
    """Backtests with a function that makes a vectorbt portfolio.

    Parameters
    ----------
    make_portfolio : callable
        ``make_portfolio(data, parameters)`` returns a ``vbt.Portfolio`` of one column, or of several that share their
        cash (``group_by=True, cash_sharing=True``). `parameters` is a dict of one candidate.
    data : pandas frame or series, array, Bars, str, or dict of these
        What the function gets; cut along its rows to hold bars out. A frame is kept as arrays and comes to the
        function as a frame; Bars of one symbol, and names and files that `load_bars` takes, become a frame with the
        columns Open, High, Low, Close, Volume.
    space : ParameterSpace, optional
        What may be tried, where the function's author says so.
    label : str, optional
        For people; the function's name when left out.

    Notes
    -----
    Metrics are computed from the portfolio's value and its positions by our definitions, with as many periods a year
    as the timestamps say, whatever ``freq`` is. ``total_fees_paid`` is vectorbt's; slippage is not in its records, so
    ``costs_paid`` is not given.
    """

    def __init__(
        self,
        make_portfolio: Callable[[Any, dict[str, Any]], Any],
        data: Any,
        space: ParameterSpace | None = None,
        label: str | None = None,
    ) -> None:
        if not callable(make_portfolio):
            raise EngineError(
                f"make_portfolio is {make_portfolio!r} ({type(make_portfolio).__name__}); expected a function of "
                "data and parameters that returns a vbt.Portfolio"
            )
        check_signature(
            make_portfolio,
            "the data and one dict of parameters",
            None,
            {},
            advice="expected make_portfolio(data, parameters)",
        )
        self._make = make_portfolio
        self._data = _held(data)
        self._n_bars = _length(self._data)
        self._space = space
        self.label = label or f"vectorbt: {function_name(make_portfolio)}"
        self._given: Any = None

    def run(self, parameters: Mapping[str, Any]) -> EngineRun:
        """Make the portfolio of the parameters and measure it."""
        vbt = VECTORBT.load()
        if self._given is None:
            self._given = _as_given(self._data)
        portfolio = self._make(_own_copy(self._given), dict(parameters))
        if not isinstance(portfolio, vbt.Portfolio):
            raise EngineError(
                f"{self.label} returned {type(portfolio).__module__}.{type(portfolio).__qualname__}; "
                "expected a vbt.Portfolio"
            )
        account = _account(portfolio)
        fees = float(np.sum(portfolio.orders.values["fees"]))
        return EngineRun({**account.metrics(), "total_fees_paid": fees}, account.returns())

    def check(self) -> None:
        """Find out whether vectorbt is there in a version that is supported."""
        VECTORBT.load()

    def digest(self) -> str:
        """Return the digest of the function's code, the data and the versions."""
        return content_digest(self._make, self._data, self.versions())

    def data_digest(self) -> str | None:
        """Return the digest of the data; None where the function brings its own."""
        if self._n_bars is None:
            return None
        return self._data.digest() if isinstance(self._data, FrameArrays) else content_digest(self._data)

    def space(self) -> ParameterSpace | None:
        """Return the space that was given with the function."""
        return self._space

    def divide(self, holdout: float) -> tuple[Engine, Engine | None]:
        """Cut the data in two. Indicators of the second part start anew, so its first bars have none."""
        if checked_holdout(holdout) == 0.0:
            return self, None
        if self._n_bars is None:
            return self, None
        split = bars_searched(self._n_bars, holdout, self.label)
        return self._on_rows(0, split), self._on_rows(split, self._n_bars)

    def versions(self) -> dict[str, str]:
        """Return the versions of what makes the numbers."""
        from importlib.metadata import version

        return {"vectorbt": VECTORBT.version(), "pandas": version("pandas"), "numpy": version("numpy")}

    def _on_rows(self, start: int, stop: int) -> VectorbtEngine:
        return VectorbtEngine(self._make, _rows(self._data, start, stop), self._space, self.label)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_given": None}  # made again where it is used


# -- data: held as arrays, given as what they were --------------------------------------------------------------------


def _held(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _held(value) for name, value in data.items()}
    if isinstance(data, (FrameArrays, Bars, str)) or is_pandas(data):
        return frame_arrays(data)
    if data is None or isinstance(data, np.ndarray):
        return data
    raise EngineError(
        f"the data are of the type {type(data).__module__}.{type(data).__qualname__}; expected a pandas frame or "
        "series, an array, bars, what load_bars takes, or a dict of these"
    )


def _as_given(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _as_given(value) for name, value in data.items()}
    return data.to_pandas() if isinstance(data, FrameArrays) else data


def _own_copy(given: Any) -> Any:
    """Return frames that a run may write to without the next one seeing it; until then the memory is the same."""
    if isinstance(given, dict):
        return {name: _own_copy(value) for name, value in given.items()}
    return given.copy(deep=False) if is_pandas(given) else given


def _rows(data: Any, start: int, stop: int) -> Any:
    if isinstance(data, dict):
        return {name: _rows(value, start, stop) for name, value in data.items()}
    return data.rows(start, stop) if isinstance(data, FrameArrays) else data[start:stop]


def _length(data: Any) -> int | None:
    """Return the number of rows; None where there are no data to cut."""
    if isinstance(data, dict):
        lengths = {name: _length(value) for name, value in data.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise EngineError(f"the data have different lengths ({found}); expected the same bars in each")
        return next(iter(lengths.values()), None)
    return None if data is None else len(data)


# -- the portfolio in our words ----------------------------------------------------------------------------------------


def _account(portfolio: Any) -> Account:
    value = np.asarray(portfolio.value(), dtype=np.float64)
    if value.ndim != 1 and value.shape[1] != 1:
        raise EngineError(
            f"the portfolio has {value.shape[1]} columns; expected one backtest: one column for one candidate, or "
            "assets that share their cash (group_by=True, cash_sharing=True)"
        )
    equity = value.reshape(-1)
    n = len(equity)
    positions, orders = portfolio.positions.values, portfolio.orders.values
    is_closed = positions["status"] == _CLOSED
    return Account(
        equity=equity,
        cash=float(np.sum(portfolio.init_cash)),
        years=years_of(_moments(portfolio.wrapper.index)),
        entry_bars=positions["entry_idx"],
        exit_bars=np.where(is_closed, positions["exit_idx"], n),
        pnl=positions["pnl"],
        entry_notionals=positions["size"] * positions["entry_price"],
        fill_bars=orders["idx"],
        fill_notionals=orders["size"] * orders["price"],
    )


def _moments(index: Any) -> Any:
    aware = getattr(index, "tz", None) is not None
    return (index.tz_convert("UTC").tz_localize(None) if aware else index).to_numpy()
