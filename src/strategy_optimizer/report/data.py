"""All that a report shows, as plain JSON values: nothing here draws, and nothing else is computed on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strategy_optimizer.report.course import search_data
from strategy_optimizer.report.equity import equity_data, rounded
from strategy_optimizer.report.material import Material
from strategy_optimizer.report.robustness import robustness_data
from strategy_optimizer.report.statistics import statistics_data
from strategy_optimizer.report.windows import walk_forward_data, windows_text
from strategy_optimizer.tasks import Result

FORMAT = 1
CONTENDERS = 8
SHOWN_METRICS = (
    "total_return",
    "annual_return",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
    "exposure",
    "turnover",
    "costs_paid",
)
Progress = Callable[[str], None]


def report_data(
    result: Result,
    material: Material | str,
    *,
    windows: bool = True,
    call: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the values of a report.

    Parameters
    ----------
    result : Result
    material : Material or str
        The strategy and the bars, or why they are not at hand: what needs them is then left out.
    windows : bool
        Whether a walk-forward is made where it is quick.
    call : str, optional
        The command that made the result.
    progress : callable, optional
        Receives a text on what is being computed.
    """

    def tell(text: str) -> None:
        if progress is not None:
            progress(text)

    document = result.to_dict(trials=False)
    validation = document.get("validation")
    data = {
        "format": FORMAT,
        "head": _head(document, call),
        "verdict": _verdict(validation),
        "numbers": _numbers(document),
        "parameters": _parameters(document),
        "contenders": _contenders(validation),
        "statistics": None if validation is None else statistics_data(validation),
        "lacking": material if isinstance(material, str) else None,
        "equity": None,
        "robustness": None,
        "walk_forward": None,
        "notes": [
            *document["notes"],
            f"the winner was run again by another engine, the {document['reproduced_by']}",
        ],
    }
    tell("what the trials say")
    data["search"] = search_data(result)
    if isinstance(material, Material):
        tell("equity")
        data["equity"] = equity_data(result, material)
        data["robustness"] = robustness_data(
            result,
            material,
            progress=lambda part, done, total: tell(f"robustness, {done:,} of {total:,} backtests"),
        )
        if windows:
            data["walk_forward"] = walk_forward_data(
                result, material, progress=lambda event: tell(windows_text(event))
            )
    return data


def _head(document: dict[str, Any], call: str | None) -> dict[str, Any]:
    names = (
        "task_id",
        "strategy_name",
        "strategy_digest",
        "data",
        "costs",
        "rules",
        "objective",
        "optimizer",
    )
    more = ("seed", "versions", "counts", "stop_reason", "seconds", "trials_per_second", "space")
    return {name: document[name] for name in (*names, *more)} | {"call": call}


def _verdict(validation: dict[str, Any] | None) -> dict[str, Any] | None:
    if validation is None:
        return None
    reason = (validation.get("recommendation") or {}).get("reason")
    return {**validation["verdict"], "recommended_because": reason}


def _contender_performance(validation: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the performance of what is recommended."""
    found = (validation or {}).get("recommendation")
    performance: dict[str, Any] | None = found["regions"][0]["performance"] if found else None
    return performance


def _numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of each rival, in sample and held out."""
    rivals = {
        "recommended": _contender_performance(document.get("validation")),
        "in-sample best": document["best"],
        "defaults": document["defaults"],
        "buy-and-hold": document["buy_and_hold"],
    }
    if document.get("recommended_parameters") == document["best_parameters"]:
        rivals = {"recommended and in-sample best": document["best"], **dict(list(rivals.items())[2:])}
    several = bool(document.get("pareto_front"))
    names = (*(() if several else ("composite_score",)), *_metrics(document))
    return {
        "metrics": list(names),
        "columns": [
            {
                "name": name,
                "in_sample": rounded({key: performance["in_sample"].get(key) for key in names}),
                "held_out": rounded({key: performance["held_out"].get(key) for key in names})
                if performance["held_out"]
                else None,
            }
            for name, performance in rivals.items()
            if performance is not None
        ],
    }


def _metrics(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the metrics that are shown, and those of the objective."""
    front = document.get("pareto_front")
    wanted = front[0]["objectives"] if front else document["objective"]["weights"]
    return (*SHOWN_METRICS, *(name for name in wanted if name not in SHOWN_METRICS))


def _parameters(document: dict[str, Any]) -> list[dict[str, Any]]:
    recommended = document.get("recommended_parameters")
    return [
        {
            "name": name,
            "recommended": None if recommended is None else recommended.get(name),
            "best": document["best_parameters"].get(name),
            "default": document["default_parameters"].get(name),
            "searched": entry,
        }
        for name, entry in document["space"]["parameter_space"].items()
    ]


def _contenders(validation: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return what could be deployed: the regions, the recommended one first, then the best and the defaults."""
    found = (validation or {}).get("recommendation")
    if not found:
        return []
    rows = [("recommended" if i == 0 else f"region {i + 1}", each) for i, each in enumerate(found["regions"])]
    rows = [*rows[:CONTENDERS], ("in-sample best", found["best"]), ("defaults", found.get("defaults"))]
    return [
        {
            "label": label,
            **{
                name: rounded(each.get(name))
                for name in ("trial", "steadiness", "plateau", "neighbours", "left")
            },
            "parameters": each["parameters"],
            "in_sample": rounded(each["performance"]["in_sample"]["sharpe_ratio"]),
            "held_out": rounded((each["performance"].get("held_out") or {}).get("sharpe_ratio")),
            "held_out_return": rounded((each["performance"].get("held_out") or {}).get("total_return")),
        }
        for label, each in rows
        if each is not None
    ]
