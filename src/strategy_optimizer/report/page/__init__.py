"""Puts the drawings and sentences of a report together as one HTML page."""

from strategy_optimizer.report.page.page import html_page

__all__ = ["html_page"]
