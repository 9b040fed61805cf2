"""How numbers look: percent for fractions, few digits, nothing that pretends to be exact."""

from __future__ import annotations

import math
from typing import Any

PERCENT = {
    "total_return",
    "annual_return",
    "volatility",
    "max_drawdown",
    "win_rate",
    "exposure",
    "expectancy",
}
COUNTS = {"trades", "max_drawdown_bars"}


def metric_text(name: str, value: float | None) -> str:
    """Return a metric for people.

    >>> metric_text("total_return", 1.25), metric_text("sharpe_ratio", 0.5), metric_text("trades", 31.0)
    ('+125.0%', '0.50', '31')
    >>> metric_text("max_drawdown", 0.25), metric_text("profit_factor", float("inf"))
    ('25.0%', 'inf')
    """
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if name in COUNTS:
        return f"{value:,.0f}"
    if name in PERCENT:
        sign = "+" if name in ("total_return", "annual_return", "expectancy") else ""
        digits = 2 if name == "expectancy" else 1
        return f"{100 * value:{sign},.{digits}f}%"
    return f"{value:,.2f}"


def score_text(score: float | None) -> str:
    """Return a score with four digits."""
    return "-" if score is None or not math.isfinite(score) else f"{score:.4g}"


def compared_text(first: float, second: float) -> str:
    """Return two numbers with as many digits, two to four, as it takes to tell them apart.

    >>> compared_text(0.4, 0.391), compared_text(0.4232, 0.4188)
    ('0.40 against 0.39', '0.423 against 0.419')
    """
    texts = [f"{first:.{digits}f} against {second:.{digits}f}" for digits in (2, 3, 4)]
    return next((text for text in texts if len({*text.split(" against ")}) == 2), texts[0])


def value_text(value: Any) -> str:
    """Return a parameter's value; six digits for a float."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def duration_text(seconds: float) -> str:
    """Return a duration.

    >>> duration_text(0.4), duration_text(75), duration_text(7320)
    ('0.4 s', '1 min 15 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def rate_text(per_second: float) -> str:
    """Return trials a second.

    >>> rate_text(0.25), rate_text(1234.5)
    ('0.25/s', '1,234/s')
    """
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"
