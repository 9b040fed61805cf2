"""Scales from values to places in a figure, and round ticks on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["number", "percent", "count", "log", "date"]
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
YEAR, MONTH = 365.2425, 30.436875  # days
LONG_YEARS = 2.5  # from so many on years are named, not months


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high`, drawn from `start` to `stop`."""

    low: float
    high: float
    start: float
    stop: float
    kind: Kind = "number"

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        low, high, value = (self._moved(each) for each in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)

    def _moved(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.kind == "log" else value

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return the values to name, and their names."""
        if self.kind == "date":
            return date_ticks(self.low, self.high, most)
        values = (
            log_ticks(self.low, self.high, most)
            if self.kind == "log"
            else nice_ticks(self.low, self.high, most)
        )
        if self.kind == "count":
            values = [value for value in values if value.is_integer()]
        return list(zip(values, tick_texts(values, self.kind), strict=True))


def scale_of(
    values: Sequence[float], start: float, stop: float, kind: Kind = "number", *, zero: bool = False
) -> Scale:
    """Return a scale that holds all finite values, with a little room; `zero` makes it begin or end at 0."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    if kind == "log":
        low, high = max(low, 1e-12), max(high, 1e-12)
        return Scale(low / 1.05, high * 1.05, start, stop, kind)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-9):
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    room = 0.0 if kind == "date" else 0.04 * (high - low)
    keep_low, keep_high = zero and low == 0.0, zero and high == 0.0
    return Scale(low if keep_low else low - room, high if keep_high else high + room, start, stop, kind)


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values from low to high, at most `most`, and at least two where that is possible.

    >>> nice_ticks(0.13, 0.97, 5)
    [0.2, 0.4, 0.6, 0.8]
    """
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    for step in (step * power for step in STEPS):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return []


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return powers of ten, or 1, 2 and 5 times them, or round values where not two of these fit.

    >>> log_ticks(0.8, 30.0, 6)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [f * 10.0**k for k in range(first, last + 1) for f in factors if low <= f * 10.0**k <= high]
        if 3 <= len(found) <= most:
            return [float(f"{value:.12g}") for value in found]
    tens = [10.0**k for k in range(first, last + 1) if low <= 10.0**k <= high]
    if len(tens) > most:
        return tens[:: math.ceil(len(tens) / most)]
    return [value for value in nice_ticks(low, high, most) if value > 0.0]


def tick_texts(values: Sequence[float], kind: Kind = "number") -> list[str]:
    """Return names of ticks, as many digits for each as they need to differ.

    >>> tick_texts([0.0, 0.5, 1.0]), tick_texts([0.0, 0.25], "percent"), tick_texts([2e6, 4e6])
    (['0', '0.5', '1'], ['0%', '25%'], ['2,000,000', '4,000,000'])
    """
    shown = [100.0 * value for value in values] if kind == "percent" else list(values)
    return [f"{_number(value)}%" if kind == "percent" else _number(value) for value in shown]


def _number(value: float) -> str:
    if value and not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}"
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def date_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return days since 1970 at the beginnings of years, months, days or hours, and their names.

    >>> date_ticks(10957.0, 13000.0, 4)
    [(10957.0, '2000'), (11688.0, '2002'), (12418.0, '2004')]
    """
    years = (high - low) / YEAR
    if years >= LONG_YEARS:
        step = next((s for s in (1, 2, 5, 10, 20, 50) if years / s <= most), 100)
        return _calendar_ticks(low, high, "Y", step)
    months = (high - low) / MONTH
    if months >= LONG_YEARS:
        return _calendar_ticks(
            low, high, "M", next(s for s in (1, 2, 3, 6, 12, 24) if months / s <= most or s == 24)
        )
    if high - low >= LONG_YEARS:
        return _calendar_ticks(low, high, "D", max(1, math.ceil((high - low) / most)))
    return _calendar_ticks(low, high, "h", max(1, math.ceil(24 * (high - low) / most)))


def _calendar_ticks(low: float, high: float, unit: str, step: int) -> list[tuple[float, str]]:
    """Return each `step`-th beginning of a unit between two days, counted from 1970 (years from the year 0)."""
    first, last = (
        np.datetime64(round(day * 86_400), "s").astype(f"M8[{unit}]").astype(int) for day in (low, high)
    )
    shift = 1970 if unit == "Y" else 0
    found = []
    for k in range(-(-(int(first) + shift) // step) * step - shift, int(last) + 1, step):
        moment = np.int64(k).astype(f"M8[{unit}]")
        day = float(moment.astype("M8[s]").astype(int)) / 86_400
        if low <= day <= high:
            found.append((day, str(moment).replace("T", " ") + (":00" if unit == "h" else "")))
    return found
