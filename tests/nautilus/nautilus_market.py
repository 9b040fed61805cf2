"""What these tests trade, in NautilusTrader's words."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader.backtest.models import MakerTakerFeeModel
from nautilus_trader.examples.strategies.ema_cross import EMACross, EMACrossConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler

from strategy_optimizer import load_bars
from strategy_optimizer.engines import NautilusEngine, NautilusStrategy

BAR_TYPE = "QQQ.XNAS-1-DAY-LAST-EXTERNAL"


class Market:
    """Bars, instrument and venues, and an engine for the example strategy of NautilusTrader."""

    def __init__(self, fee=0) -> None:
        self.instrument = Equity(
            instrument_id=InstrumentId.from_str("QQQ.XNAS"),
            raw_symbol=Symbol("QQQ"),
            currency=USD,
            price_precision=2,
            price_increment=Price.from_str("0.01"),
            lot_size=Quantity.from_int(1),
            max_quantity=Quantity.from_int(50_000),
            maker_fee=Decimal(str(fee)),
            taker_fee=Decimal(str(fee)),
            ts_event=0,
            ts_init=0,
        )
        self.bar_type = BarType.from_str(BAR_TYPE)
        bars = load_bars("nasdaq")
        columns = {n: np.ravel(getattr(bars, n))[:1200] for n in ("open", "high", "low", "close", "volume")}
        index = pd.DatetimeIndex(bars.timestamp[:1200].view("M8[ns]"), tz="UTC", name="timestamp")
        self.closes = np.round(columns["close"], 2)  # as the instrument's prices are
        self.data = BarDataWrangler(self.bar_type, self.instrument).process(
            pd.DataFrame(columns, index=index)
        )

    def config(self, **values):
        return EMACrossConfig(
            **{
                "instrument_id": self.instrument.id, "bar_type": self.bar_type, "trade_size": Decimal(100),
                "fast_ema_period": 10, "slow_ema_period": 30, **values,
            }
        )  # fmt: skip

    def venue(self, account_type=AccountType.MARGIN, cash=1_000_000, oms_type=OmsType.NETTING):
        return {
            "venue": Venue("XNAS"), "oms_type": oms_type, "account_type": account_type,
            "starting_balances": [Money(cash, USD)], "base_currency": USD, "fee_model": MakerTakerFeeModel(),
        }  # fmt: skip

    def strategy(self, strategy=EMACross, config=None, **venue):
        return NautilusStrategy(
            strategy,
            config or self.config(),
            venues=[self.venue(**venue)],
            instruments=[self.instrument],
            data=self.data,
        )

    def engine(self, strategy=EMACross, config=None, **venue):
        return NautilusEngine(self.strategy(strategy, config, **venue))
