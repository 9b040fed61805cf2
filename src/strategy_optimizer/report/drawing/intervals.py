"""Rows of a value with its interval: importance, and what a perturbation leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strategy_optimizer.report.drawing.scales import Kind, scale_of, tick_texts
from strategy_optimizer.report.drawing.svg import LETTER, WIDTH, element, figure, label

ROW = 26
LEFT_MOST, RIGHT = 300, 120
NAME_MOST = 42  # letters of a name


def interval_chart(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    description: str,
    *,
    kind: Kind = "number",
    bars: bool = True,
    x_name: str = "",
) -> str:
    """Return a chart with one row a value.

    Parameters
    ----------
    rows : sequence of mapping
        Each with ``name``, ``value``, and ``lower`` and ``upper`` (or None), ``text`` for the end of the row.
    title, description : str
    kind : {"number", "percent"}
    bars : bool
        Whether a bar from 0 shows the value; otherwise a dot does.
    x_name : str
    """
    left = min(LEFT_MOST, 24 + LETTER * max(len(row["name"]) for row in rows))
    ends = [row[key] for row in rows for key in ("value", "lower", "upper") if row.get(key) is not None]
    scale = scale_of(ends, left, WIDTH - RIGHT, kind, zero=True)
    bottom = 10 + ROW * len(rows)
    parts = []
    ticks = [value for value, _ in scale.ticks(8)]
    for value, text in zip(ticks, tick_texts(ticks, kind), strict=True):
        x = scale.at(value)
        parts.append(element("line", x1=x, x2=x, y1=6, y2=bottom, class_="grid"))
        parts.append(label(text, x, bottom + 16, anchor="middle"))
    zero = scale.at(0.0)
    parts.append(element("line", x1=zero, x2=zero, y1=6, y2=bottom, class_="axis"))
    for i, row in enumerate(rows):
        parts.append(_row(row, 10 + ROW * i, scale, left, bars=bars))
    if x_name:
        parts.append(label(x_name, (left + WIDTH - RIGHT) / 2, bottom + 34, anchor="middle", most=110))
    return figure(bottom + (42 if x_name else 24), title, description, *parts)


def _row(row: Mapping[str, Any], top: float, scale: Any, left: float, *, bars: bool) -> str:
    middle = top + ROW / 2
    parts = [label(row["name"], left - 10, middle + 4, anchor="end", most=NAME_MOST)]
    value, lower, upper = row["value"], row.get("lower"), row.get("upper")
    if value is not None and bars:
        a, b = sorted((scale.at(0.0), scale.at(value)))
        parts.append(element("rect", x=a, y=middle - 7, width=b - a, height=14, class_="bar f0"))
    if lower is not None and upper is not None:
        a, b = scale.at(lower), scale.at(upper)
        parts.append(
            element(
                "path",
                d=f"M{a:.1f} {middle}H{b:.1f}M{a:.1f} {middle - 5}v10M{b:.1f} {middle - 5}v10",
                class_="whisker",
            )
        )
    if value is not None and not bars:
        parts.append(element("circle", cx=scale.at(value), cy=middle, r=4.5, class_="dot f0"))
    parts.append(label(row.get("text", ""), WIDTH - RIGHT + 10, middle + 4, most=17, class_="label value"))
    return "".join(parts)
