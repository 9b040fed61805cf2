"""A map of values over two parameters, with trials laid over it, and beside it how sure it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from strategy_optimizer.report.drawing.scales import nice_ticks, tick_texts
from strategy_optimizer.report.drawing.svg import element, figure, label, shortened, text_of

# Viridis, at equal steps: readable without colours, on white and on black.
PALETTE = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
PANEL, GAP, TOP, SIDE = 325, 140, 34, 290
LEFT = 92
MARKS = {"in-sample best": "M-6 -6L6 6M-6 6L6 -6", "recommended": "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0 -14 0"}


def heat_map(
    data: Mapping[str, Any], title: str, description: str, *, of: str, better_low: bool = False
) -> str:
    """Return two maps: the prediction with trials, and its standard deviation.

    Parameters
    ----------
    data : mapping
        With ``x``, ``y``, ``x_values``, ``y_values``, ``mean`` and ``deviation`` (rows of y), ``trials`` as (number,
        x, y, value), and ``marked``: name to (x, y).
    title, description : str
    of : str
        What is predicted, for the tooltips.
    better_low : bool
        Whether small values are good: they then have the light colours.
    """
    left = _panel(data, "mean", LEFT, f"predicted {of}", of, overlay=True, turned=better_low)
    right = _panel(data, "deviation", LEFT + PANEL + GAP, "standard deviation of the prediction", of)
    return figure(TOP + SIDE + 66, title, description, left, right)


def _panel(
    data: Mapping[str, Any],
    which: str,
    left: float,
    heading: str,
    of: str,
    *,
    overlay: bool = False,
    turned: bool = False,
) -> str:
    rows = data[which]
    known = [value for row in rows for value in row if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    columns, lines = len(data["x_values"]), len(data["y_values"])
    wide, tall = PANEL / columns, SIDE / lines

    def colour(value: float) -> str:
        share = (value - low) / (high - low) if high > low else 0.5
        return colour_of(1.0 - share if turned else share)

    parts = [label(heading, left, TOP - 12, most=48, class_="label name")]
    for j, row in enumerate(rows):
        for i, value in enumerate(row):
            place = {
                "x": left + i * wide,
                "y": TOP + SIDE - (j + 1) * tall,
                "width": wide + 0.4,
                "height": tall + 0.4,
            }
            shown = {"class_": "cell void"} if value is None else {"class_": "cell", "fill": colour(value)}
            parts.append(element("rect", **place, **shown))
    parts.append(_axes(data, left, wide, tall))
    parts.append(_colour_bar(left + PANEL + 8, low, high, colour))
    if overlay:
        parts.append(_overlay(data, left, wide, tall, colour, of))
    return "".join(parts)


def colour_of(share: float) -> str:
    """Return a colour of the palette between 0 and 1.

    >>> colour_of(0.0), colour_of(1.0), colour_of(0.0625)
    ('#440154', '#fde725', '#461768')
    """
    place = min(max(share, 0.0), 1.0) * (len(PALETTE) - 1)
    k = min(int(place), len(PALETTE) - 2)
    ends = [[int(PALETTE[i][j : j + 2], 16) for j in (1, 3, 5)] for i in (k, k + 1)]
    mixed = (round(a + (place - k) * (b - a)) for a, b in zip(*ends, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _axes(data: Mapping[str, Any], left: float, wide: float, tall: float) -> str:
    parts = []
    for i in _named(len(data["x_values"]), 5):
        text = _value_text(data["x_values"][i])
        parts.append(label(text, left + (i + 0.5) * wide, TOP + SIDE + 17, anchor="middle", most=11))
    for j in _named(len(data["y_values"]), 7):
        text = _value_text(data["y_values"][j])
        parts.append(label(text, left - 6, TOP + SIDE - (j + 0.5) * tall + 4, anchor="end", most=9))
    parts.append(
        label(data["x"], left + PANEL / 2, TOP + SIDE + 38, anchor="middle", most=48, class_="label name")
    )
    turned = element(
        "text",
        text_of(shortened(data["y"], 40)),
        transform=f"translate({left - 76:g} {TOP + SIDE / 2:g}) rotate(-90)",
        text_anchor="middle",
        class_="label name",
    )
    return "".join([*parts, turned])


def _named(n: int, most: int) -> list[int]:
    """Return the cells whose values are named: all of a few, else evenly spread ones."""
    if n <= most:
        return list(range(n))
    return sorted({round(k * (n - 1) / (most - 1)) for k in range(most)})


def _value_text(value: Any) -> str:
    return tick_texts([float(f"{value:.3g}")])[0] if isinstance(value, float) else str(value)


def _colour_bar(left: float, low: float, high: float, colour: Any) -> str:
    n = 24
    parts = []
    for k in range(n):
        value = low + (k + 0.5) / n * (high - low)
        y = TOP + SIDE - (k + 1) * SIDE / n
        parts.append(
            element("rect", x=left, y=y, width=10, height=SIDE / n + 0.4, fill=colour(value), class_="cell")
        )
    ticks = nice_ticks(low, high, 5) if high > low else []
    for value, text in zip(ticks, tick_texts(ticks), strict=True):
        y = TOP + SIDE - (value - low) / (high - low) * SIDE
        parts.append(label(text, left + 14, y + 4, most=8, class_="label small"))
    return "".join(parts)


def _overlay(data: Mapping[str, Any], left: float, wide: float, tall: float, colour: Any, of: str) -> str:
    def place(x: Any, y: Any) -> tuple[float, float] | None:
        i, j = _cell(data["x_values"], x), _cell(data["y_values"], y)
        if i is None or j is None:
            return None
        return left + (i + 0.5) * wide, TOP + SIDE - (j + 0.5) * tall

    parts = []
    for number, x, y, value in data["trials"]:
        if (at := place(x, y)) is not None:
            tip = f"trial {number:,}: {of} {value:.4g} at {data['x']}={_value_text(x)}, {data['y']}={_value_text(y)}"
            circle = {"cx": at[0], "cy": at[1], "r": 2.6, "fill": colour(value), "class_": "trial"}
            parts.append(element("circle", element("title", text_of(tip)), **circle))
    for name, (x, y) in data["marked"].items():
        if (at := place(x, y)) is not None:
            where = f"translate({at[0]:.1f} {at[1]:.1f})"
            tip = element("title", text_of(name))
            for class_ in ("halo", "point"):
                parts.append(element("path", tip, d=MARKS[name], transform=where, class_=class_))
    return "".join(parts)


def _cell(values: Sequence[Any], value: Any) -> float | None:
    """Return where a value lies among those of the cells, which may be between two of them; None for none.

    >>> _cell([10, 20, 40], 30), _cell(["sma", "ema"], "ema"), _cell([1, 2], 0)
    (1.5, 1.0, 0.0)
    """
    if value in values and type(value) is type(values[0]):
        return float(values.index(value))
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (*values, value))
    if not numbers:
        return None
    k = min(max(bisect_right(values, value) - 1, 0), max(len(values) - 2, 0))
    if len(values) == 1:
        return 0.0
    share = float((value - values[k]) / (values[k + 1] - values[k]))
    return float(k) + min(max(share, 0.0), 1.0)
