"""Points in two metrics, such as the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strategy_optimizer.report.drawing.frame import Frame
from strategy_optimizer.report.drawing.scales import Kind, scale_of
from strategy_optimizer.report.drawing.svg import WIDTH, element, figure, legend, text_of

LEFT, RIGHT = 72, 16


def scatter_chart(
    groups: Sequence[Mapping[str, Any]],
    title: str,
    description: str,
    *,
    x_name: str,
    y_name: str,
    x_kind: Kind = "number",
    y_kind: Kind = "number",
    height: float = 400,
) -> str:
    """Return a chart of groups of points.

    Parameters
    ----------
    groups : sequence of mapping
        Each with ``name``, ``class`` (of its dots) and ``points``: (x, y, tooltip); the last are drawn on top.
    title, description, x_name, y_name : str
    x_kind, y_kind : {"number", "percent", "log"}
    height : float
    """
    shown = [
        (group, [p for p in group["points"] if p[0] is not None and p[1] is not None]) for group in groups
    ]
    every = [point for _, points in shown for point in points]
    key, used = _legend([group for group, points in shown if points])
    x = scale_of([point[0] for point in every], LEFT, WIDTH - RIGHT, x_kind)
    y = scale_of([point[1] for point in every], height - 46, used + 30, y_kind)
    parts = [key, Frame(x, y, x_name, y_name).draw()]
    for group, points in shown:
        for a, b, tip in points:
            circle = {
                "cx": x.at(a),
                "cy": y.at(b),
                "r": group.get("radius", 3.5),
                "class_": f"dot {group['class']}",
            }
            parts.append(element("circle", element("title", text_of(tip)), **circle))
    return figure(height, title, description, *parts)


def _legend(groups: Sequence[Mapping[str, Any]]) -> tuple[str, float]:
    key, height = legend([group["name"] for group in groups], LEFT, 16, WIDTH - LEFT - RIGHT, mark="dot")
    for i, group in enumerate(groups):
        key = key.replace(f'class="dot f{i}"', f'class="dot {group["class"]}"', 1)
    return key, height
