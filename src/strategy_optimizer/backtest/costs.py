"""What trading costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from strategy_optimizer.errors import BacktestError


@dataclass(frozen=True)
class Costs:
    """Costs of trading; the default is none.

    Parameters
    ----------
    commission : float
        Fraction of the notional of each fill (0.0005 = 5 basis points).
    fixed_fee : float
        Cash a fill.
    slippage : float
        Adverse fraction of the price of market orders: signals and stops pay it, targets (limit orders) do not.
    borrow : float
        Fraction of the short notional a year, charged at each close.

    Examples
    --------
    >>> Costs(commission=0.0005, slippage=0.0002)
    Costs(commission=0.0005, fixed_fee=0.0, slippage=0.0002, borrow=0.0)
    """

    commission: float = 0.0
    fixed_fee: float = 0.0
    slippage: float = 0.0
    borrow: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or not math.isfinite(value)
                or value < 0
            ):
                raise BacktestError(f"{field.name} is {value!r}; expected a number from 0 up")
        for name in ("commission", "slippage"):
            if getattr(self, name) >= 1:
                raise BacktestError(
                    f"{name} is {getattr(self, name)!r}; it is a fraction (0.0005 = 5 basis points) and must be below 1"
                )
