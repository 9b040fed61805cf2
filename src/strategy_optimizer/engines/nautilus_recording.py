"""Watches one backtest of NautilusTrader: equity over time, positions and fills, in one currency.

Nautilus records an account's balances when something fills, without what open positions are worth in between. Here the
account is marked with the last prices of each interval, after all that filled in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.engines.account import Account
from strategy_optimizer.errors import EngineError

_NANOSECONDS_A_YEAR = 365.25 * 86_400e9


@dataclass(frozen=True)
class Recording:
    """One backtest, in one currency; moments in nanoseconds.

    Attributes
    ----------
    cash : float
        Value of the accounts before the first order.
    moments, equity : arrays, shape (n,)
        Of the last data of each interval that had any.
    positions : array, shape (positions, 4)
        Opened, closed (NaN while open), result after commissions, value at the entry price.
    fills : array, shape (fills, 3)
        Moment, value, commission.
    rejected : int
        Orders that venue or risk engine did not take.
    """

    cash: float
    moments: NDArray[np.float64]
    equity: NDArray[np.float64]
    positions: NDArray[np.float64]
    fills: NDArray[np.float64]
    rejected: int

    def account(self) -> Account:
        """Return the account whose bars are the intervals."""
        n = len(self.moments)
        opened, closed, pnl, notionals = self.positions.T
        bars = [
            np.minimum(np.searchsorted(self.moments, t), n - 1) for t in (opened, closed, self.fills[:, 0])
        ]
        return Account(
            equity=self.equity,
            cash=self.cash,
            years=float(self.moments[-1] - self.moments[0]) / _NANOSECONDS_A_YEAR,
            entry_bars=bars[0],
            exit_bars=np.where(np.isnan(closed), n, bars[1]),
            pnl=pnl,
            entry_notionals=notionals,
            fill_bars=bars[2],
            fill_notionals=self.fills[:, 1],
        )


class Recorder:
    """Listens to the data of a `BacktestEngine` that is about to run.

    Parameters
    ----------
    engine : BacktestEngine
    interval : int
        Nanoseconds between two values of the equity.
    currency : str or None
        Code of the currency to count in; None: the accounts' base currency, or the instruments' common quote currency.
    """

    def __init__(self, engine: Any, interval: int, currency: str | None) -> None:
        self._cache = engine.kernel.cache
        self._interval = interval
        self._code = currency
        self._prices: dict[Any, Any] = {}  # the last data of each instrument that had a price
        self._samples: list[tuple[int, float]] = []
        self._currency: Any = None
        self._cash = 0.0
        self._bucket: int | None = None
        self._last = 0
        engine.kernel.msgbus.subscribe("data.*", self._on_data)

    def _on_data(self, data: Any) -> None:
        """Mark the account when an interval is over: this is the first data of the next one."""
        moment = data.ts_init
        bucket = moment // self._interval
        if bucket != self._bucket:
            if self._bucket is None:
                self._start(data)
            else:
                self._samples.append((self._last, self._equity()))
            self._bucket = bucket
        self._last = moment
        self._keep(data)

    def _keep(self, data: Any) -> None:
        bar_type = getattr(data, "bar_type", None)
        if bar_type is not None:
            self._prices[bar_type.instrument_id] = data
        elif hasattr(data, "bid_price") or hasattr(data, "aggressor_side"):
            self._prices[data.instrument_id] = data

    def _start(self, data: Any) -> None:
        self._keep(data)
        self._currency = self._counted_in()
        self._cash = self._equity()

    def recording(self) -> Recording:
        """Return what was seen, after the run."""
        if self._bucket is None:
            raise EngineError(
                "no data reached the strategy; expected data between start and end of the backtest"
            )
        samples = [*self._samples, (self._last, self._equity())]
        instruments = {i.id: i for i in self._cache.instruments()}
        positions = [*self._cache.position_snapshots(), *self._cache.positions()]
        orders = self._cache.orders()
        fills = [event for order in orders for event in order.events if hasattr(event, "last_qty")]
        return Recording(
            cash=self._cash,
            moments=np.array([moment for moment, _ in samples], dtype=np.float64),
            equity=np.array([equity for _, equity in samples], dtype=np.float64),
            positions=_table([self._position(p, instruments) for p in positions], 4),
            fills=_table([self._fill(f, instruments) for f in fills], 3),
            rejected=sum(order.status.name in ("REJECTED", "DENIED") for order in orders),
        )

    def _position(self, position: Any, instruments: dict[Any, Any]) -> list[float]:
        instrument = instruments[position.instrument_id]
        entry = instrument.notional_value(position.peak_qty, instrument.make_price(position.avg_px_open))
        closed = position.ts_closed if position.is_closed else float("nan")
        return [position.ts_opened, closed, self._value(position.realized_pnl), self._value(entry)]

    def _fill(self, fill: Any, instruments: dict[Any, Any]) -> list[float]:
        notional = instruments[fill.instrument_id].notional_value(fill.last_qty, fill.last_px)
        return [fill.ts_event, self._value(notional), self._value(fill.commission)]

    # -- what the accounts are worth ---------------------------------------------------------------------------

    def _equity(self) -> float:
        """Return balances and open positions at the last prices."""
        balances = [
            money for account in self._cache.accounts() for money in account.balances_total().values()
        ]
        return sum(map(self._value, balances)) + sum(map(self._open_value, self._cache.positions_open()))

    def _open_value(self, position: Any) -> float:
        """Return what an open position adds to the balances of its account."""
        account = self._cache.account(position.account_id)
        instrument = self._cache.instrument(position.instrument_id)
        price = self._price(position.instrument_id, position.is_long)
        if account.is_margin_account:
            return self._value(position.unrealized_pnl(price))
        if account.base_currency is None and instrument.get_base_currency() is not None:
            return 0.0  # the account has a balance of what was bought
        value = self._value(instrument.notional_value(position.quantity, price))
        return value if position.is_long else -value  # a cash account paid the whole price

    def _price(self, instrument_id: Any, is_long: bool) -> Any:
        """Return the price at which a position could be left: of the last bar, trade or quote."""
        data = self._prices.get(instrument_id)
        if data is None:
            raise EngineError(
                f"nothing gave a price of {instrument_id}, which is held; add bars, quotes or trades"
            )
        for name in ("close", "price", "bid_price" if is_long else "ask_price"):
            if hasattr(data, name):
                return getattr(data, name)
        raise AssertionError(f"{type(data).__name__} was kept and has no price")

    def _value(self, money: Any) -> float:
        """Return money in the currency that is counted in, at the last prices."""
        if money is None:
            return 0.0
        amount = float(money.as_double())
        if amount == 0.0 or money.currency == self._currency:
            return amount
        return amount * self._rate(money.currency)

    def _rate(self, currency: Any) -> float:
        for instrument in self._cache.instruments():
            pair = (instrument.get_base_currency(), instrument.quote_currency)
            if instrument.id not in self._prices:
                continue
            if pair == (currency, self._currency):
                return float(self._price(instrument.id, True))
            if pair == (self._currency, currency):
                return 1.0 / float(self._price(instrument.id, True))
        raise EngineError(
            f"the account has {currency.code} and nothing gave a price of it in {self._currency.code}; add data of an "
            "instrument of both, or count in another currency with currency="
        )

    def _counted_in(self) -> Any:
        accounts, instruments = self._cache.accounts(), self._cache.instruments()
        known = {c.code: c for account in accounts for c in account.balances_total()}
        known |= {i.quote_currency.code: i.quote_currency for i in instruments}
        if self._code is not None:
            if self._code not in known:
                raise EngineError(
                    f"no account and no instrument has {self._code}; expected {' or '.join(known)}"
                )
            return known[self._code]
        bases = {account.base_currency for account in accounts}
        common = bases if len(bases) == 1 and None not in bases else {i.quote_currency for i in instruments}
        if len(common) != 1:
            codes = ", ".join(sorted(known))
            raise EngineError(
                f"the accounts have several currencies ({codes}); say which counts with currency="
            )
        return common.pop()


def together(recordings: list[Recording]) -> Recording:
    """Return separate accounts as one: at each moment of any of them, the sum of their last values."""
    if len(recordings) == 1:
        return recordings[0]
    moments = np.unique(np.concatenate([r.moments for r in recordings]))
    equity = np.zeros(len(moments))
    for r in recordings:
        before = np.searchsorted(r.moments, moments, side="right")
        equity += np.concatenate([[r.cash], r.equity])[before]
    return Recording(
        cash=sum(r.cash for r in recordings),
        moments=moments,
        equity=equity,
        positions=np.concatenate([r.positions for r in recordings]),
        fills=np.concatenate([r.fills for r in recordings]),
        rejected=sum(r.rejected for r in recordings),
    )


def _table(rows: list[list[float]], width: int) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
