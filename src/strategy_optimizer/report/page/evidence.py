"""The sections that run backtests again: robustness and walk-forward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.number_texts import metric_text, value_text
from strategy_optimizer.report.drawing import interval_chart, line_chart
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
from strategy_optimizer.report.page.outcome import without_bars

KINDS = {
    "noise": "noise, {amount:.0%} of the volatility",
    "resampling": "bars drawn anew, blocks of {amount:.0f}",
    "dropped_bars": "{amount:.0%} of the bars left out",
}
SHARPE = "sharpe_ratio"


def robustness_section(data: Mapping[str, Any]) -> str:
    """Return what the recommended parameters stand."""
    found = data["robustness"]
    if found is None:
        return section("robustness", "Robustness", paragraph(without_bars(data)))
    if found["lacking"] is not None:
        return section("robustness", "Robustness", paragraph(f"Not examined: {found['lacking']}."))
    whose = "recommended parameters" if found["recommended"] else "in-sample best"
    said = (
        f"What is left of the {whose}, in sample, when what the result hangs on is a little different: "
        f"{found['trials']:,} backtests."
    )
    warned = bullets(found["warnings"]) or paragraph("Nothing here speaks against them.")
    return section(
        "robustness",
        "Robustness",
        paragraph(said),
        element("div", warned, class_="warnings" if found["warnings"] else "calm"),
        _sharpe_chart(found),
        subheading("Confidence bands"),
        _bands(found),
        subheading("One parameter moved alone"),
        _plateaus(found),
        subheading("Trades in another order"),
        _trades(found),
    )


def _sharpe_chart(found: Mapping[str, Any]) -> str:
    rows, lacking = [], []
    band = found["bands"].get(SHARPE)

    def add(name: str, value: Any, lower: Any = None, upper: Any = None) -> None:
        why = lacking_of(value)
        if why is None and value is not None:
            rows.append(
                {
                    "name": name,
                    "value": value,
                    "lower": lower,
                    "upper": upper,
                    "text": _span(value, lower, upper),
                }
            )
        else:
            lacking.append(f"{name}: {why or 'not known'}")

    if band is not None:
        add("as it is, 90% band", band.get("estimate", band), band.get("lower"), band.get("upper"))
    costs, delay, overall = found["costs"], found["delay"], found["plateau"]["overall"]
    add(f"{costs['multiple']:g} times the costs", costs["after"][SHARPE])
    add(f"decisions {delay['bars']} bar late", delay["after"][SHARPE])
    if found["plateau"]["metric"] == SHARPE:
        add(f"neighbours, worst tenth of {overall['neighbours']:,}", overall["lower_quantile"])
    for each in found["data"]:
        quantiles = each["quantiles"][SHARPE]
        ends = (quantiles or {}).get("lower"), (quantiles or {}).get("upper")
        name = KINDS.get(each["kind"], each["kind"]).format(amount=each["amount"])
        add(name, (quantiles or {}).get("median", quantiles), *ends)
    drawn = interval_chart(
        rows,
        "Sharpe ratio when something is different",
        "The annual Sharpe ratio as it is and perturbed; of repeated perturbations the median and 90% of them.",
        bars=False,
        x_name="annual Sharpe ratio, in sample; a line holds 90%",
    )
    return (chart(drawn) if rows else "") + bullets([*lacking, _break_even(costs), *_errors(found)])


def _span(value: float, lower: Any, upper: Any) -> str:
    return f"{value:.2f}" if lower is None or upper is None else f"{lower:.2f} to {upper:.2f}"


def _break_even(costs: Mapping[str, Any]) -> str:
    multiple = costs["break_even"]
    if (lacking := lacking_of(multiple)) is not None:
        return f"the costs that take all of the return are not known: {lacking}"
    if multiple == "none":
        return "no multiple of the costs that was tried takes all of the return"
    return f"{multiple:,.{0 if multiple >= 10 else 1}f} times the costs take all of the return"


def _errors(found: Mapping[str, Any]) -> list[str]:
    return [
        f"on perturbed bars the strategy raised: {text}" for each in found["data"] for text in each["errors"]
    ]


def _bands(found: Mapping[str, Any]) -> str:
    rows = []
    for name, band in found["bands"].items():
        if (lacking := lacking_of(band)) is not None:
            rows.append([name_text(name), "not known", "", "", lacking])
        else:
            ends = (number_text(name, band[key]) for key in ("estimate", "lower", "upper"))
            rows.append([name_text(name), *ends, f"{band['level']:.0%} of resampled records lie between"])
    said = (
        f"From bars (for the win rate trades) resampled {found['replications']:,} times. They do not know that "
        "these are the best of many trials."
    )
    return paragraph(said) + table(["", "as it is", "lower", "upper", ""], rows, left=(0, 4))


def _plateaus(found: Mapping[str, Any]) -> str:
    plateau = found["plateau"]
    rows = []
    for name, each in [*plateau["by_parameter"].items(), ("all together", plateau["overall"])]:
        worst = each["worst"]
        moved = (
            ""
            if lacking_of(worst)
            else value_text(worst["parameters"].get(name))
            if name != "all together"
            else ""
        )
        rows.append(
            [
                name,
                f"{each['neighbours']:,}",
                _or_lacking(plateau["metric"], each["lower_quantile"]),
                share_text(each["robustness_ratio"], 0)
                if not lacking_of(each["robustness_ratio"])
                else "not known",
                _or_lacking(plateau["metric"], None if lacking_of(worst) else worst["value"]),
                moved,
            ]
        )
    metric = name_text(plateau["metric"])
    said = "A step, 5% and 10% of its range, or another choice. With less than 70% left it is a lone peak."
    headings = ["parameter", "neighbours", f"{metric}, worst tenth", "of it left", "worst", "worst at"]
    return paragraph(said) + table(headings, rows)


def _or_lacking(name: str, value: Any) -> str:
    return "not known" if lacking_of(value) else metric_text(name, value)


def _trades(found: Mapping[str, Any]) -> str:
    sentences = []
    for each in found["trades"]:
        if (lacking := lacking_of(each)) is not None:
            sentences.append(lacking)
            continue
        low, middle, high = (metric_text("max_drawdown", value) for value in each["max_drawdowns"])
        how = "in a random order" if each["method"] == "permutation" else "drawn anew in blocks"
        sentences.append(
            f"{each['trades']:,} closed trades {how}: maximum drawdown {middle} in the middle, {low} to {high} "
            f"in 90%; as they came {metric_text('max_drawdown', each['max_drawdown'])}. A live drawdown beyond "
            f"{metric_text('max_drawdown', each['alarm_drawdown'])} is a reason to stop and look."
        )
    return bullets(dict.fromkeys(sentences))


# -- walk-forward ------------------------------------------------------------------------------------------


def walk_forward_section(data: Mapping[str, Any]) -> str:
    """Return the walk-forward, or the command that makes it."""
    found = data["walk_forward"]
    if found is None:
        return section("walk-forward", "Walk-forward", paragraph(without_bars(data)))
    command = element("pre", element("code", text_of(found["command"]))) if found["command"] else ""
    if found["to_add"]:
        command += paragraph(f"It needs {' and '.join(found['to_add'])}.", "dim")
    if found["lacking"] is not None:
        hint = "Left out: " + found["lacking"] + ("; this command makes one:" if command else ".")
        return section("walk-forward", "Walk-forward", paragraph(hint), command)
    said = (
        f"The same search made anew in {len(found['windows'])} windows of the searched bars: choose on "
        f"{found['train']:,} bars with {found['evaluations']:,} trials, trade what was chosen on the next "
        f"{found['test']:,}, move on. The held-out bars take no part, and the trials do not count in the verdict "
        "or the ledger."
    )
    chosen, gaining = found["metrics"]["chosen"], share_text(found["share_gaining"], 0)
    sentences = [
        f"{gaining} of the windows gained; Sharpe ratio of all tests together "
        f"{metric_text(SHARPE, chosen[SHARPE])}, return {metric_text('total_return', chosen['total_return'])}",
        _certainty(found["psr"]),
        _efficiency(found["efficiency"]),
        *found["notes"],
    ]
    kind = growth_kind(found["lines"])
    drawn = line_chart(
        found["lines"],
        "Walk-forward",
        "Growth of the chosen parameters over all test windows, beside the defaults and buy-and-hold.",
        x_kind="date",
        y_kind=kind,
        y_name="times the starting cash" + (", log axis" if kind == "log" else ""),
        marks=found["starts"],
        height=320,
    )
    command = element("details", element("summary", "The command of such a walk-forward"), command)
    return section(
        "walk-forward",
        "Walk-forward",
        paragraph(said),
        chart(drawn),
        bullets(sentences),
        _windows(found),
        command,
    )


def _certainty(psr: Any) -> str:
    lacking = lacking_of(psr)
    known = lacking or f"{share_text(psr)} (above 95% would be good)"
    return f"probability that the Sharpe ratio of the tests is above 0: {known}"


def _efficiency(value: Any) -> str:
    lacking = lacking_of(value)
    known = lacking or f"{share_text(value, 0)} of it was left (above 50% would be good; it decides nothing)"
    return f"annual return out of sample against in sample: {known}"


def _windows(found: Mapping[str, Any]) -> str:
    names = [each["name"] for each in found["stability"]]
    rows = []
    for window in found["windows"]:
        chosen = window["parameters"]
        rows.append(
            [
                " to ".join(window["test_dates"]),
                metric_text(SHARPE, window["in_sample"]),
                metric_text(SHARPE, window["out_of_sample"]),
                metric_text("total_return", window["total_return"]),
                *(value_text((chosen or {}).get(name)) for name in names),
            ]
        )
    spreads = ["-" if each["spread"] is None else f"{each['spread']:.2f}" for each in found["stability"]]
    rows.append(["spread of the choices", "", "", "", *spreads])
    flat = [
        f"{window['test_dates'][0]}: held cash, {window['reason']}"
        for window in found["windows"]
        if window["reason"]
    ]
    said = paragraph(
        "A spread of 0.29 is that of values drawn at random over the whole range; 0 is always the same choice."
    )
    headings = ["test", "Sharpe, chosen on", "Sharpe, tested", "return, tested", *names]
    return table(headings, rows, class_="wide") + said + bullets(flat)
