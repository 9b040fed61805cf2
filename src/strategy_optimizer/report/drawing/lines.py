"""Curves over time or over trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from strategy_optimizer.report.drawing.frame import Frame
from strategy_optimizer.report.drawing.scales import Kind, Scale, scale_of
from strategy_optimizer.report.drawing.svg import WIDTH, element, figure, label, legend

LEFT, RIGHT = 72, 16
LOG_FROM = 5.0  # times between the lowest and the highest from which a growth is drawn on a log axis


def line_chart(
    lines: Sequence[Mapping[str, Any]],
    title: str,
    description: str,
    *,
    x_kind: Kind = "number",
    y_kind: Kind = "number",
    x_name: str = "",
    y_name: str = "",
    shaded: tuple[float, float] | None = None,
    shaded_name: str = "",
    marks: Sequence[float] = (),
    filled: bool = False,
    steps: bool = False,
    height: float = 320,
) -> str:
    """Return a chart of curves.

    Parameters
    ----------
    lines : sequence of mapping
        Each with ``name``, ``x`` and ``y``; a None in ``y`` breaks it.
    title, description : str
    x_kind, y_kind : {"number", "percent", "count", "log", "date"}
    x_name, y_name : str
    shaded : (float, float), optional
        A part of the lower axis, named by `shaded_name`.
    marks : sequence of float
        Places on the lower axis with a thin line.
    filled : bool
        Whether the first curve is filled down to 0.
    steps : bool
        Whether a value holds until the next one.
    height : float
    """
    xs = [x for line in lines for x in line["x"]]
    ys = [y for line in lines for y in line["y"] if y is not None]
    key, used = (
        legend([line["name"] for line in lines], LEFT, 16, WIDTH - LEFT - RIGHT)
        if len(lines) > 1
        else ("", 0)
    )
    top, bottom = used + 30, height - (46 if x_name else 28)
    x_scale = scale_of(xs, LEFT, WIDTH - RIGHT, x_kind)
    x_scale = replace(x_scale, low=min(xs), high=max(xs)) if xs and max(xs) > min(xs) else x_scale
    y_scale = scale_of(ys, bottom, top, y_kind, zero=filled)
    parts = [key]
    if shaded is not None:
        parts.append(_shade(shaded, shaded_name, x_scale, top, bottom))
    parts.append(Frame(x_scale, y_scale, x_name, y_name).draw())
    parts += [
        element("line", x1=x_scale.at(x), x2=x_scale.at(x), y1=top, y2=bottom, class_="mark") for x in marks
    ]
    for i, line in reversed(list(enumerate(lines))):
        parts += _curve(i, line, x_scale, y_scale, filled=filled and i == 0, steps=steps)
    return figure(
        height, title, description, *parts, class_="hover", data_x=_read(x_scale), data_y=_read(y_scale)
    )


def growth_kind(lines: Sequence[Mapping[str, Any]]) -> Kind:
    """Return a log axis where growth is large."""
    ys = [y for line in lines for y in line["y"] if y is not None]
    return "log" if ys and min(ys) > 0.0 and max(ys) / min(ys) > LOG_FROM else "number"


def _read(scale: Scale) -> str:
    """Return a scale as the page's script reads it."""
    return f"{scale.kind} {scale.low:.10g} {scale.high:.10g} {scale.start:g} {scale.stop:g}"


def _shade(shaded: tuple[float, float], name: str, x: Scale, top: float, bottom: float) -> str:
    left, right = x.at(shaded[0]), x.at(shaded[1])
    box = element("rect", x=left, y=top, width=max(right - left, 0.0), height=bottom - top, class_="shade")
    return box + label(name, right, top - 6, anchor="end", class_="label dim")


def _curve(i: int, line: Mapping[str, Any], x: Scale, y: Scale, *, filled: bool, steps: bool) -> list[str]:
    parts = []
    for run in _runs(line["x"], line["y"]):
        points = [(x.at(a), y.at(b)) for a, b in run]
        if steps:
            points = [
                p
                for (a, b), (c, _) in zip(points, [*points[1:], points[-1]], strict=True)
                for p in ((a, b), (c, b))
            ]
        drawn = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        if filled:
            zero = y.at(0.0)
            area = f"{points[0][0]:.1f},{zero:.1f} {drawn} {points[-1][0]:.1f},{zero:.1f}"
            parts.append(element("polygon", points=area, class_=f"area f{i}"))
        parts.append(element("polyline", points=drawn, class_=f"line s{i}", data_name=line["name"]))
    return parts


def _runs(xs: Sequence[float], ys: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """Return the parts of a curve between missing values."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
