"""The first sections: the verdict, the numbers, equity and drawdown, the contenders, the statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.number_texts import metric_text, value_text
from strategy_optimizer.report.drawing import line_chart
from strategy_optimizer.report.drawing.lines import growth_kind
from strategy_optimizer.report.drawing.svg import element, text_of
from strategy_optimizer.report.page.html import (
    bullets,
    chart,
    lacking_of,
    name_text,
    number_text,
    paragraph,
    section,
    share_text,
    subheading,
    table,
)

MEANINGS = {
    "deploy": "So much luck, in sample and after, is rarer than 6 in 1,000.",
    "paper": "Watch it without money: it may be more than luck, but that is not proven.",
    "reject": "No edge was found here: what looked like skill can well be luck.",
}
KEY_METRICS = ("composite_score", "annual_return", "sharpe_ratio", "max_drawdown", "trades")


def verdict_section(data: Mapping[str, Any]) -> str:
    """Return decision, recommended parameters and the key numbers."""
    found = data["verdict"]
    if found is None:
        banner = element(
            "div", paragraph("No verdict: the result was made without validation."), class_="banner none"
        )
        why = ""
    else:
        decision = str(found["decision"])
        words = element("strong", text_of(decision)) + " " + text_of(MEANINGS.get(decision, ""))
        banner = element(
            "div", element("p", words), class_=f"banner {decision if decision in MEANINGS else 'none'}"
        )
        why = bullets(found["reasons"])
    because = (found or {}).get("recommended_because")
    recommended = subheading("Parameters") + (paragraph(f"Recommended: {because}.") if because else "")
    return section("verdict", "Verdict", banner, why, recommended, parameters_table(data), key_numbers(data))


def parameters_table(data: Mapping[str, Any]) -> str:
    """Return the recommended and the best parameters beside the defaults and what was searched."""
    rows, columns = data["parameters"], {"best": "in-sample best", "default": "default"}
    if any(row["recommended"] is not None for row in rows):
        columns = {"recommended": "recommended", **columns}
    lines = [
        [row["name"], *(value_text(row[key]) for key in columns), searched_text(row["searched"])]
        for row in rows
    ]
    return table(["parameter", *columns.values(), "searched"], lines, left=(0, len(columns) + 1))


def searched_text(entry: Mapping[str, Any]) -> str:
    """Return the bounds or choices of a parameter.

    >>> searched_text({"bounds": [0.01, 0.05], "log": True}), searched_text({"choices": ["sma", "ema"]})
    ('0.01 to 0.05, log', 'sma | ema')
    """
    if "choices" in entry:
        return " | ".join(map(str, entry["choices"]))
    low, high = (value_text(bound) for bound in entry["bounds"])
    return (low if low == high else f"{low} to {high}") + (", log" if entry.get("log") else "")


def key_numbers(data: Mapping[str, Any]) -> str:
    """Return the most telling metrics of each rival, in sample and held out."""
    known = [name for name in KEY_METRICS if name in data["numbers"]["metrics"]]
    return subheading("Key numbers") + _numbers_table(data, known)


def numbers_section(data: Mapping[str, Any]) -> str:
    """Return all metrics."""
    return section("numbers", "All numbers", _numbers_table(data, data["numbers"]["metrics"]))


def _numbers_table(data: Mapping[str, Any], metrics: list[str]) -> str:
    columns = data["numbers"]["columns"]
    parts = ["in_sample", *(["held_out"] if any(each["held_out"] for each in columns) else [])]
    groups = [("", 1), *((part.replace("_", " "), len(columns)) for part in parts)]
    rows = [
        [
            name_text(name),
            *(number_text(name, (each[part] or {}).get(name)) for part in parts for each in columns),
        ]
        for name in metrics
    ]
    headings = ["", *(each["name"] for _ in parts for each in columns)]
    return table(headings, rows, class_="wide", groups=groups)


def equity_section(data: Mapping[str, Any]) -> str:
    """Return growth and drawdown of all accounts."""
    found = data["equity"]
    if found is None:
        return section("equity", "Equity and drawdown", paragraph(without_bars(data)))
    shaded = None if found["held_out_days"] is None else tuple(found["held_out_days"])
    growth = [{"name": line["name"], **line["growth"]} for line in found["lines"]]
    falls = [
        {"name": line["name"], "x": line["drawdown"]["x"], "y": [-y for y in line["drawdown"]["y"]]}
        for line in found["lines"]
    ]
    kind = growth_kind(growth)
    common: dict[str, Any] = {"x_kind": "date", "shaded": shaded, "shaded_name": "held out"}
    drawn = line_chart(
        growth,
        "Equity",
        f"Equity over the starting cash, {_final(growth)}.",
        y_kind=kind,
        y_name="times the starting cash" + (", log axis" if kind == "log" else ""),
        height=360,
        **common,
    )
    deep = line_chart(
        falls,
        "Drawdown",
        "How far each account lies below its highest value so far.",
        y_kind="percent",
        y_name="below the highest value so far",
        filled=True,
        height=260,
        **common,
    )
    said = (
        "One account for each, after all costs. The search saw the bars that are not shaded; where the held-out "
        "bars begin each account starts flat again, as in the numbers above."
    )
    failing = bullets(f"not drawn, because the strategy fails on them: {name}" for name in found["failing"])
    return section("equity", "Equity and drawdown", paragraph(said), failing, chart(drawn), chart(deep))


def _final(lines: list[dict[str, Any]]) -> str:
    return ", ".join(f"{line['name']} ends at {line['y'][-1]:.3g}" for line in lines)


def without_bars(data: Mapping[str, Any]) -> str:
    """Return the sentence for what needs the strategy and the bars, where they are not at hand."""
    return f"Left out, because it runs backtests and {data['lacking'] or 'that was not wanted'}."


def contenders_section(data: Mapping[str, Any]) -> str:
    """Return what could be deployed."""
    rows = data["contenders"]
    if not rows:
        return section(
            "contenders", "Contenders", paragraph("Not chosen: the result was made without validation.")
        )
    said = (
        "The steadiest trial of each region of the parameter space, beside the in-sample best and the defaults. "
        "Steady: how evenly it earned over sixteen parts of the searched bars. Plateau: the mean of that over it "
        "and its neighbours, by which the first was chosen. What is left: the 10% quantile of its neighbours' "
        "Sharpe ratios over its own. The held-out numbers took no part in the choice."
    )
    headings = [
        "",
        "trial",
        "steady",
        "plateau",
        "what is left",
        "Sharpe, in sample",
        "Sharpe, held out",
        "return, held out",
    ]
    lines = [
        [
            row["label"],
            "-" if row["trial"] is None else f"{row['trial']:,}",
            metric_text("sharpe_ratio", row["steadiness"]),
            metric_text("sharpe_ratio", row["plateau"]),
            share_text(row["left"], 0),
            metric_text("sharpe_ratio", row["in_sample"]),
            metric_text("sharpe_ratio", row["held_out"]),
            metric_text("total_return", row["held_out_return"]),
        ]
        for row in rows
    ]
    names = list(rows[0]["parameters"]) if rows else []
    every = list(dict.fromkeys([*names, *(name for row in rows for name in row["parameters"])]))
    parameters = [
        [row["label"], *(value_text(row["parameters"].get(name)) for name in every)] for row in rows
    ]
    details = element(
        "details", element("summary", "Their parameters"), table(["", *every], parameters, class_="wide")
    )
    return section("contenders", "Contenders", paragraph(said), table(headings, lines), details)


def statistics_section(data: Mapping[str, Any]) -> str:
    """Return the statistics of validation."""
    groups = data["statistics"]
    if groups is None:
        return section("statistics", "Statistics", paragraph("None: the result was made without validation."))
    parts = []
    for group in groups:
        rows = [[row["name"], statistic_text(row), row["says"], row["good"]] for row in group["rows"]]
        parts += [
            subheading(group["title"]),
            table(["", "value", "what it says", "what would be good"], rows, left=(0, 2, 3), class_="words"),
        ]
    return section("statistics", "Statistics", *parts)


def statistic_text(row: Mapping[str, Any]) -> str:
    """Return the value of a statistic, or in words why there is none.

    >>> statistic_text({"value": 0.0312, "kind": "chance"}), statistic_text({"value": None, "kind": "count"})
    ('3.1%', 'no number is enough')
    """
    value, kind = row["value"], row["kind"]
    if (lacking := lacking_of(value)) is not None:
        return f"not known: {lacking}"
    if value is None:
        return "no number is enough" if kind == "count" else "not known"
    if kind == "text":
        return str(value)
    if kind == "chance":
        return "below 0.1%" if value < 0.001 else "above 99.9%" if value > 0.999 else f"{value:.1%}"
    return f"{value:,.0f}" if kind == "count" else f"{value:.2f}"
