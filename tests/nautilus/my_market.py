"""The user's own side of docs/engines/nautilus.md: bars, instrument and venue."""

from __future__ import annotations

import numpy as np
import pandas as pd
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from strategy_optimizer import load_bars

INSTRUMENT = TestInstrumentProvider.equity("COMP", "XNAS")
BAR_TYPE = BarType.from_str("COMP.XNAS-1-DAY-LAST-EXTERNAL")
VENUE = {
    "venue": Venue("XNAS"),
    "oms_type": OmsType.NETTING,
    "account_type": AccountType.MARGIN,
    "base_currency": USD,
    "starting_balances": [Money(1_000_000, USD)],
}
_bars = load_bars("nasdaq")
_columns = {name: np.ravel(getattr(_bars, name)) for name in ("open", "high", "low", "close", "volume")}
_times = pd.DatetimeIndex(_bars.timestamp.view("M8[ns]"), tz="UTC", name="timestamp")
BARS = BarDataWrangler(BAR_TYPE, INSTRUMENT).process(pd.DataFrame(_columns, index=_times))
