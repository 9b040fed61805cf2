"""The page: its sections in order, one style, one short script, and the data themselves."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from strategy_optimizer.number_texts import duration_text, rate_text
from strategy_optimizer.records import STOP_REASONS
from strategy_optimizer.report.drawing.svg import element, text_of
from strategy_optimizer.report.page.evidence import robustness_section, walk_forward_section
from strategy_optimizer.report.page.html import bullets, paragraph, section, table
from strategy_optimizer.report.page.outcome import (
    contenders_section,
    equity_section,
    numbers_section,
    statistics_section,
    verdict_section,
)
from strategy_optimizer.report.page.search import (
    convergence_section,
    importance_section,
    insights_section,
    surfaces_section,
)
from strategy_optimizer.report.page.style import SCRIPT, STYLE

SECTIONS = (
    verdict_section,
    equity_section,
    numbers_section,
    contenders_section,
    statistics_section,
    robustness_section,
    walk_forward_section,
    convergence_section,
    importance_section,
    surfaces_section,
    insights_section,
)
CONTENTS = {
    "verdict": "Verdict",
    "equity": "Equity",
    "numbers": "Numbers",
    "contenders": "Contenders",
    "statistics": "Statistics",
    "robustness": "Robustness",
    "walk-forward": "Walk-forward",
    "convergence": "Convergence",
    "importance": "Importance",
    "surfaces": "Surfaces",
    "insights": "Sentences",
    "notes": "Notes",
    "repeat": "Repeat",
}


def html_page(data: Mapping[str, Any]) -> str:
    """Return the page of a report, the values of `report_data`.

    Nothing on it comes from elsewhere: its policy allows its own style and script, by their hashes, and no request.
    """
    head = data["head"]
    title = f"{head['strategy_name']} on {head['data']['name']}"
    own = f"style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    meta = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
    )
    sections = [*(make(data) for make in SECTIONS), notes_section(data), repeat_section(data)]
    body = element("header", element("h1", text_of(title)), _summary(head), _contents()) + element(
        "main", *sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{meta}<title>{text_of(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>{body}\n"
        f'<script type="application/json" id="report-data">{embedded_json(data)}</script>\n'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def embedded_json(data: Mapping[str, Any]) -> str:
    r"""Return JSON that cannot end the element that it stands in.

    >>> embedded_json({"name": "</script><!--"})
    '{"name":"\\u003c/script>\\u003c!--"}'
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _summary(head: Mapping[str, Any]) -> str:
    data, counts = head["data"], head["counts"]
    parts = [_period("searched", data["in_sample"], data["in_sample_dates"])]
    if data["held_out"] is not None:
        parts.append(_period("held out", data["held_out"], data["held_out_dates"]))
    required = head["objective"].get("constraints", ())
    parts.append(
        f"for {head['objective']['text']}"
        + (f", with {' and '.join(map(str, required))}" if required else "")
    )
    parts.append(f"{counts['trials']:,} trials by {head['optimizer']['name']}, {counts['failed']:,} failed")
    return paragraph("; ".join(parts) + ".", "dim")


def _period(name: str, bars: list[int], dates: list[str]) -> str:
    return f"{name} {bars[1] - bars[0]:,} bars, {dates[0]} to {dates[1]}"


def _contents() -> str:
    links = "".join(element("a", text_of(name), href=f"#{key}") for key, name in CONTENTS.items())
    return element("nav", links, aria_label="Sections")


def notes_section(data: Mapping[str, Any]) -> str:
    """Return what the numbers alone might hide."""
    return section("notes", "Notes", bullets(data["notes"]))


def repeat_section(data: Mapping[str, Any]) -> str:
    """Return how to make the same again: the call, versions, hashes, seed and costs."""
    head = data["head"]
    call = ""
    if head["call"]:
        call = paragraph("The same search again:") + element("pre", element("code", text_of(head["call"])))
    rules = {name: value for name, value in head["rules"].items() if value is not None}
    rows = {
        "task": head["task_id"],
        "strategy": f"{head['strategy_name']}, sha256 {head['strategy_digest']}",
        "data": f"{head['data']['name']}, {head['data']['bars']:,} bars, sha256 {head['data']['digest']}",
        "symbols": ", ".join(head["data"]["symbols"]),
        "seed": head["seed"],
        "costs": _pairs(head["costs"]),
        "rules": _pairs(rules),
        "objective": head["objective"]["text"],
        "constraints of the space": ", ".join(map(str, head["space"].get("constraints", ()))) or "none",
        "optimizer": f"{head['optimizer']['name']}; {head['optimizer'].get('reason') or 'as asked'}",
        "ended": STOP_REASONS.get(head["stop_reason"], head["stop_reason"]),
        "time": _pace(head),
        "versions": _pairs(head["versions"]),
    }
    shown = table(
        ["", ""], [[name, str(value)] for name, value in rows.items()], left=(0, 1), class_="words facts"
    )
    return section("repeat", "How to repeat it", call, shown)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def _pace(head: Mapping[str, Any]) -> str:
    if head["seconds"] is None or head["trials_per_second"] is None:
        return "not known"
    return f"{duration_text(head['seconds'])}, {rate_text(head['trials_per_second'])}"
