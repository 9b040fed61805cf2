"""What may be typed after a command that backtests: on which bars, and how orders are filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from strategy_optimizer.cli.option_types import (
    Borrow,
    Cash,
    Columns,
    Commission,
    Data,
    Fill,
    FixedFee,
    From,
    Repair,
    Slippage,
    To,
)

SAMPLE = "nasdaq"


class DataOptions(Protocol):
    """The options of a command that say which data are meant."""

    @property
    def data(self) -> Sequence[str]:
        """Names, files or folders; several are one symbol each."""

    @property
    def start(self) -> str | None:
        """The first date."""

    @property
    def end(self) -> str | None:
        """The last date."""

    @property
    def columns(self) -> Sequence[str]:
        """Which column of a file is what."""

    @property
    def repair(self) -> Sequence[str]:
        """What may be mended."""


class DataChoice(NamedTuple):
    """Which data are meant, where a command takes few other options."""

    data: Sequence[str]
    start: str | None
    end: str | None
    columns: Sequence[str]
    repair: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class BarsOptions:
    """Which bars are meant."""

    data: Data = field(default_factory=lambda: [SAMPLE])
    start: From = None
    end: To = None
    columns: Columns = field(default_factory=list)
    repair: Repair = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class TradingOptions:
    """What orders cost, when they are filled, and with how much cash it begins."""

    commission: Commission = 0.0005
    slippage: Slippage = 0.0002
    fixed_fee: FixedFee = 0.0
    borrow: Borrow = 0.0
    cash: Cash = 100_000.0
    fill: Fill = "next_open"
