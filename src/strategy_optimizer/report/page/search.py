"""The sections on the search: convergence, the front, importance, surfaces, sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.number_texts import PERCENT, score_text
from strategy_optimizer.report.drawing import heat_map, interval_chart, line_chart, scatter_chart
from strategy_optimizer.report.drawing.scales import Kind
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

LOG_TRIALS = 100  # from so many on the axis of the trials is logarithmic; a front grows late


def convergence_section(data: Mapping[str, Any]) -> str:
    """Return the best so far, what may still be found, and who found it."""
    found = data["search"]["convergence"]
    what = "hypervolume of the front" if found["several"] else "best score so far"
    known = [(x, y) for x, y in zip(found["trials"], found["best_so_far"], strict=True) if y is not None]
    drawn = ""
    if len(known) > 1:
        line = {"name": what, "x": [x for x, _ in known], "y": [y for _, y in known]}
        kind: Kind = "log" if line["x"][-1] >= LOG_TRIALS and not found["several"] else "count"
        drawn = chart(
            line_chart(
                [line],
                "Convergence",
                f"The {what} after each trial; it ends at {known[-1][1]:.4g} after {line['x'][-1]:,} trials.",
                x_kind=kind,
                x_name="trials" + (", log axis" if kind == "log" else ""),
                y_name=what,
                steps=True,
                height=300,
            )
        )
    texts = list(found["texts"])
    if found["several"] and not known:
        texts.append("the hypervolume is not drawn: it is known for two and three objectives")
    front = front_part(data["search"]["front"]) if data["search"]["front"] else ""
    return section("convergence", "Convergence", drawn, bullets(texts), _authors(found), front)


def _authors(found: Mapping[str, Any]) -> str:
    rows = [
        [name, f"{share['trials']:,}", f"{share['improvements']:,}", score_text(share["best"])]
        for name, share in found["authors"].items()
    ]
    better = "on the front" if found["several"] else "better than all before"
    return table(["proposed by", "trials", better, "best score"], rows) if len(rows) > 1 else ""


# -- the front ---------------------------------------------------------------------------------------------


def front_part(front: Mapping[str, Any]) -> str:
    """Return the Pareto front in its first two objectives, in sample and held out."""
    x, y = front["objectives"][:2]
    special = {front["recommended_trial"]: "recommended", front["best_trial"]: "in-sample winner"}

    def tip(point: Mapping[str, Any]) -> str:
        return f"trial {point['trial']:,}: " + ", ".join(
            f"{name_text(name)} {number_text(name, value)}" for name, value in point["in_sample"].items()
        )

    points = [(each["in_sample"][x], each["in_sample"][y], tip(each)) for each in front["points"]]
    held = [(each["held_out"][x], each["held_out"][y], f"held out, {tip(each)}") for each in front["points"]]
    groups = [
        {
            "name": "other trials",
            "class": "ghost",
            "radius": 2.2,
            "points": [(o[0], o[1], "trial") for o in front["others"]],
        },
        {"name": "the same front, held out", "class": "f3 open", "radius": 3.5, "points": held},
        {"name": "front, in sample", "class": "f0", "radius": 4, "points": points},
    ]
    for trial, name in special.items():
        chosen = [
            (each["in_sample"][x], each["in_sample"][y], f"{name}, {tip(each)}")
            for each in front["points"]
            if each["trial"] == trial
        ]
        groups.append(
            {"name": name, "class": "f1" if name == "recommended" else "f2", "radius": 6.5, "points": chosen}
        )
    drawn = scatter_chart(
        groups,
        "Pareto front",
        f"{front['size']:,} trials that no other one beats in every objective, by {name_text(x)} and {name_text(y)}.",
        x_name=_axis_name(x, front["directions"][0]),
        y_name=_axis_name(y, front["directions"][1]),
        x_kind=kind_of(x),
        y_kind=kind_of(y),
    )
    more = (
        f" Of {len(front['objectives'])} objectives the first two are drawn."
        if len(front["objectives"]) > 2
        else ""
    )
    said = f"{front['size']:,} trials that no other one beats in every objective.{more}"
    return subheading("Pareto front") + paragraph(said) + chart(drawn)


def _axis_name(metric: str, direction: str) -> str:
    return f"{name_text(metric)}, {'smaller' if direction == 'minimize' else 'larger'} is better"


def kind_of(metric: str) -> Kind:
    """Return how a metric's axis is named."""
    return "percent" if metric in PERCENT else "number"


# -- importance and surfaces -------------------------------------------------------------------------------


def importance_section(data: Mapping[str, Any]) -> str:
    """Return which parameters matter."""
    parts = []
    for found in data["search"]["importance"]:
        if len(data["search"]["importance"]) > 1:
            parts.append(subheading(f"For {name_text(found['of'])}"))
        parts.append(_importance(found))
    return section("importance", "Importance of the parameters", *parts)


def _importance(found: Mapping[str, Any]) -> str:
    which = next((name for name in ("total", "delta") if not lacking_of(found["parameters"][0][name])), None)
    if which is None:
        return paragraph(f"Not known: {found['parameters'][0]['total']['not_enough']}.")
    rows = []
    for each in found["parameters"]:
        measure = (
            each[which] if not lacking_of(each[which]) else {"value": None, "lower": None, "upper": None}
        )
        text = "not known" if measure["value"] is None else share_text(measure["value"])
        rows.append({"name": each["name"], **measure, "text": text})
    said = {
        "total": "Share of the variation over the whole space in which a parameter takes part (total Sobol "
        f"index), by a model that foresees {share_text(found['explained'], 0)} of the "
        f"variation of {found['trials']:,} trials. A line holds 90%.",
        "delta": "How far the distribution of the values moves with a parameter (delta), from the trials alone: "
        f"there is no model ({lacking_of(found['explained'])}). A line holds 90%.",
    }[which]
    drawn = interval_chart(rows, "Importance", said, kind="percent")
    return paragraph(said) + chart(drawn) + paragraph(f"{found['caution']}.", "dim")


def surfaces_section(data: Mapping[str, Any]) -> str:
    """Return the surfaces of the most important pairs."""
    found = data["search"]["surfaces"]
    if not found["surfaces"]:
        return section("surfaces", "Parameter surfaces", paragraph(f"None: {found['lacking']}."))
    of = name_text(found["of"])
    explained = share_text(found["surfaces"][0]["explained"], 0)
    said = (
        f"The {of} over pairs of parameters, all others as in the in-sample best, as a model sees it that "
        f"foresees {explained} of the trials' variation; in sample. Dots are trials in the colour of what they "
        "measured, with other values of the other parameters; the cross is the in-sample best, the ring what is "
        "recommended. Grey cells are not allowed."
    )
    drawn = [
        chart(
            heat_map(
                each,
                f"{each['x']} and {each['y']}",
                f"The predicted {of} over {each['x']} and {each['y']}, and its standard deviation.",
                of=of,
                better_low=found["minimized"],
            )
        )
        for each in found["surfaces"]
    ]
    return section("surfaces", "Parameter surfaces", paragraph(said), *drawn)


def insights_section(data: Mapping[str, Any]) -> str:
    """Return what the trials say in sentences."""
    texts = data["search"]["insights"]
    return section(
        "insights",
        "What the trials say",
        bullets(texts) or paragraph("Nothing that the trials say beyond doubt."),
    )
