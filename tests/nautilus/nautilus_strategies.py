"""Strategies that do one thing each."""

from __future__ import annotations

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy


class PlanConfig(StrategyConfig, frozen=True):
    instrument_id: InstrumentId
    bar_type: BarType
    buy_bar: int = 10
    sell_bar: int = 20
    quantity: int = 100
    is_short: bool = False


class Plan(Strategy):
    """Opens at the close of one bar and closes at that of another."""

    def __init__(self, config: PlanConfig) -> None:
        super().__init__(config)
        self.count = 0

    def on_start(self) -> None:
        self.subscribe_bars(self.config.bar_type)

    def on_bar(self, bar) -> None:
        if self.count == self.config.buy_bar:
            self._open(OrderSide.SELL if self.config.is_short else OrderSide.BUY)
        if self.count == self.config.sell_bar:
            self.close_all_positions(self.config.instrument_id)
        self.count += 1

    def _open(self, side) -> None:
        instrument = self.cache.instrument(self.config.instrument_id)
        quantity = instrument.make_qty(self.config.quantity)
        self.submit_order(self.order_factory.market(instrument.id, side, quantity))


class Raising(Plan):
    """Fails at its fifth bar."""

    def on_bar(self, bar) -> None:
        super().on_bar(bar)
        if self.count == 5:
            raise RuntimeError("the strategy broke")


class Idle(Plan):
    """Never trades."""

    def on_bar(self, bar) -> None:
        pass
