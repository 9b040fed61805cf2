"""Pure functions from plain values to SVG: they know no result, and their colours are classes of the page's style."""

from strategy_optimizer.report.drawing.heat import heat_map
from strategy_optimizer.report.drawing.intervals import interval_chart
from strategy_optimizer.report.drawing.lines import line_chart
from strategy_optimizer.report.drawing.scatter import scatter_chart

__all__ = ["heat_map", "interval_chart", "line_chart", "scatter_chart"]
