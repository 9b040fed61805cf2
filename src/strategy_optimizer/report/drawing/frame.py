"""The frame of a chart with two axes: where the plot lies, its grid, ticks and names."""

from __future__ import annotations

from dataclasses import dataclass

from strategy_optimizer.report.drawing.scales import Scale
from strategy_optimizer.report.drawing.svg import LETTER, element, label

TICK_ROOM = 84  # between two names on the lower axis, at least


@dataclass(frozen=True)
class Frame:
    """Two axes around a plot."""

    x: Scale
    y: Scale
    x_name: str = ""
    y_name: str = ""

    def draw(self) -> str:
        """Return grid, ticks and names."""
        left, right, bottom, top = self.x.start, self.x.stop, self.y.start, self.y.stop
        parts = []
        for value, text in self.y.ticks(max(2, int((bottom - top) / 38))):
            y = self.y.at(value)
            parts.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
            parts.append(label(text, left - 8, y + 4, anchor="end"))
        for value, text in self.x.ticks(max(2, int((right - left) / TICK_ROOM))):
            x = self.x.at(value)
            parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="axis"))
            parts.append(label(text, _inside(x, text, left, right), bottom + 19, anchor="middle"))
        parts.append(element("line", x1=left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        if self.x_name:
            parts.append(label(self.x_name, (left + right) / 2, bottom + 37, anchor="middle", most=90))
        if self.y_name:
            parts.append(label(self.y_name, left - 60, top - 9, most=60, class_="label name"))
        return "".join(parts)


def _inside(x: float, text: str, left: float, right: float) -> float:
    """Return the middle of a text so that it does not leave the figure."""
    half = LETTER * len(text) / 2
    return min(max(x, left - 60 + half), right + 16 - half)
