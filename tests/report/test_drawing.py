"""Drawings without a browser: well-formed, everything inside the figure, ticks that are round."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_optimizer.report.drawing import heat_map, interval_chart, line_chart, scatter_chart
from strategy_optimizer.report.drawing.lines import growth_kind
from strategy_optimizer.report.drawing.scales import date_ticks, log_ticks, nice_ticks, scale_of, tick_texts

WIDTH = 960
LINE = {"name": "a < b & c", "x": [1.0, 2.0, 3.0], "y": [1.0, None, 4.0]}
HEAT = {
    "x": "fast",
    "y": "ma",
    "x_values": [5, 10, 20],
    "y_values": ["sma", "ema"],
    "mean": [[0.1, 0.2, None], [0.3, 0.4, 0.5]],
    "deviation": [[0.1, 0.1, 0.1], [0.2, 0.2, 0.2]],
    "trials": [[3, 7, "ema", 0.35], [4, 20, "wma", 0.1]],
    "marked": {"in-sample best": [20, "ema"], "recommended": [10, "sma"]},
}


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == ["title", "desc"]
    return root


def inside(svg: str) -> bool:
    """Return whether all coordinates lie in the figure."""
    root = parsed(svg)
    height = float((root.get("viewBox") or "").split()[3])
    for item in root.iter():
        for name, most in (
            ("x", WIDTH),
            ("cx", WIDTH),
            ("x1", WIDTH),
            ("x2", WIDTH),
            ("y", height),
            ("cy", height),
        ):
            value = item.get(name)
            if value is not None and not -0.5 <= float(value) <= most + 0.5:
                return False
        for pair in (item.get("points") or "").split():
            x, y = map(float, pair.split(","))
            if not (-0.5 <= x <= WIDTH + 0.5 and -0.5 <= y <= height + 0.5):
                return False
    return "nan" not in svg and "inf" not in svg


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 12))
def test_ticks_are_few_round_and_inside(low: float, span: float, most: int) -> None:
    high = low + span
    if high - low < 1e-9 * max(abs(low), abs(high)):
        return
    found = nice_ticks(low, high, most)
    assert len(found) <= most
    slack = 1e-6 * (high - low)
    assert all(low - slack <= value <= high + slack for value in found)
    assert found == sorted(found)


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e8), st.integers(3, 10))
def test_log_ticks_are_few_and_inside(low: float, times: float, most: int) -> None:
    found = log_ticks(low, low * times, most)
    assert len(found) <= most
    assert all(low * 0.999 <= value <= low * times * 1.001 for value in found)


@given(st.floats(0, 20_000), st.floats(0.01, 20_000), st.integers(2, 12))
def test_dates_are_few_and_inside(low: float, span: float, most: int) -> None:
    found = date_ticks(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low <= day <= low + span for day, _ in found)
    assert len({text for _, text in found}) == len(found)


def test_dates_are_named_after_their_beginning() -> None:
    day = float(np.datetime64("2005-03-15").astype("M8[D]").astype(int))
    for value, text in date_ticks(day, day + 800, 6):
        assert str(np.datetime64(int(value), "D")).startswith(text)


def test_a_scale_holds_its_values_also_when_all_are_equal() -> None:
    for values in ([1.0, 2.0], [3.0, 3.0], [0.0], [], [math.nan, 5.0], [-1e-12, 1e-12]):
        scale = scale_of(values, 0.0, 100.0)
        for value in values:
            if math.isfinite(value):
                assert 0.0 <= scale.at(value) <= 100.0
    assert scale_of([1.0, 10.0, 100.0], 0.0, 100.0, "log").at(10.0) == pytest.approx(50.0)


def test_trials_are_counted_in_whole_numbers() -> None:
    assert [text for _, text in scale_of([1.0, 5.0], 0.0, 100.0, "count").ticks(9)] == [
        "1",
        "2",
        "3",
        "4",
        "5",
    ]
    assert [text for _, text in scale_of([1.0, 5.0], 0.0, 100.0).ticks(9)][1] == "1.5"


def test_tick_texts_differ() -> None:
    for values in ([0.00012, 0.00014], [1e12, 2e12], [-0.25, 0.0, 0.25]):
        assert len(set(tick_texts(values))) == len(values)


def test_curves() -> None:
    svg = line_chart(
        [LINE, {**LINE, "name": "second"}], "t", "d", shaded=(2.0, 3.0), shaded_name="held out", filled=True
    )
    assert inside(svg)
    assert len(re.findall("<polyline", svg)) == 4  # each is broken by its missing value
    assert "a &lt; b &amp; c" in svg


def test_curves_of_nothing_and_of_one_point() -> None:
    for line in ({"name": "a", "x": [], "y": []}, {"name": "a", "x": [5.0], "y": [1.0]}):
        assert inside(line_chart([line], "t", "d", steps=True))


def test_a_curve_is_where_its_values_are() -> None:
    svg = line_chart([{"name": "a", "x": [0.0, 50.0, 100.0], "y": [0.0, 1.0, 0.5]}], "t", "d")
    points = re.search(r'<polyline points="([^"]+)"', svg)
    assert points is not None
    (x0, y0), (x1, y1), (x2, y2) = (map(float, pair.split(",")) for pair in points[1].split())
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert (y0 - y2) / (y0 - y1) == pytest.approx(0.5, abs=0.01)


def test_large_growth_has_a_log_axis() -> None:
    assert growth_kind([{"y": [1.0, 2.0]}]) == "number"
    assert growth_kind([{"y": [1.0, 20.0]}]) == "log"
    assert growth_kind([{"y": [0.0, 20.0]}]) == "number"  # an account that was lost


def test_intervals() -> None:
    rows = [
        {"name": "a", "value": 0.5, "lower": 0.4, "upper": 0.7, "text": "50%"},
        {"name": "not known", "value": None, "lower": None, "upper": None},
    ]
    for bars in (True, False):
        assert inside(interval_chart(rows, "t", "d", kind="percent", bars=bars, x_name="share"))


def test_points() -> None:
    groups = [{"name": "front", "class": "f0", "points": [(0.1, 0.2, "trial 1"), (None, 0.3, "none")]}]
    svg = scatter_chart(groups, "t", "d", x_name="x", y_name="y")
    assert inside(svg)
    assert svg.count("<title>trial") == 1


def test_heat_map() -> None:
    svg = heat_map(HEAT, "t", "d", of="score")
    assert inside(svg)
    assert svg.count("cell void") == 1
    assert "trial 3: score 0.35 at fast=7, ma=ema" in svg
    assert "trial 4" not in svg  # its choice is on no axis
    assert svg.count("<title>in-sample best") == 2


def test_where_less_is_better_the_light_colours_turn_round() -> None:
    dark, light = "#440154", "#fde725"
    one_row = {**HEAT, "y_values": ["sma"], "mean": [[0.0, 0.5, 1.0]], "deviation": [[0.1] * 3], "trials": []}
    for better_low, first in ((False, dark), (True, light)):
        svg = heat_map({**one_row, "marked": {}}, "t", "d", of="drawdown", better_low=better_low)
        assert re.findall(r'class="cell" fill="(#\w+)"', svg)[0] == first


def test_a_flat_heat_map() -> None:
    flat = {
        **HEAT,
        "mean": [[None] * 3, [None] * 3],
        "deviation": [[0.1] * 3] * 2,
        "trials": [],
        "marked": {},
    }
    assert inside(heat_map(flat, "t", "d", of="score"))
