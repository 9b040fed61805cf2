"""Prints a result: what was searched, the front if there is one, the winner beside its rivals, the catch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from strategy_optimizer.cli.terminal import console, plain_table, wrapped
from strategy_optimizer.market.report import counted
from strategy_optimizer.number_texts import duration_text, metric_text, rate_text, score_text, value_text
from strategy_optimizer.records import STOP_REASONS
from strategy_optimizer.tasks import FrontPoint, Result, SearchResult

SCORE = "composite_score"
FRONT_ROWS = 15
CONTENDERS = 5
UNLIMITED = 10_000
SIDE_BY_SIDE = {6: 74, 8: 96}  # columns that so many numbers need
RIVALS = {"defaults": "the default parameters", "buy_and_hold": "buy-and-hold", "cash": "cash"}
SHOWN = (
    "total_return",
    "annual_return",
    "sharpe_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "trades",
    "exposure",
)


def print_result(result: Result, call: Sequence[str] = ()) -> None:
    """Print a result for people to stdout; `call` is what was typed."""
    out = console()
    out.print(f"\n{result.strategy_name} on {result.data.name}", style="bold")
    for label, text in heading(result):
        out.print(f"{label:<10} {text}", soft_wrap=True)
    fronts = [front_table(result, out)] if result.pareto_front else []
    chosen = [contenders_table(result)] if result.validation is not None else []
    for table in (*fronts, *numbers_tables(result, out.width), parameters_table(result), *chosen):
        out.print()
        out.print(table)
    out.print()
    print_end(result, f"another engine, the {result.reproduced_by}", call, out)


def print_end(result: SearchResult, reproduced_by: str, call: Sequence[str], out: Console) -> None:
    """Print the verdict, the notes, who ran the winner again, and the call that gives the same result."""
    if result.validation is not None:
        print_verdict(result.validation, out)
    for text in (*result.notes, f"the winner was run again by {reproduced_by}"):
        out.print("- " + wrapped(text, out).lstrip())
    if call:
        again = shlex.join(argument for argument in call if argument != "--resume")
        out.print(f"\nThe same again: strategy-optimizer {again}", soft_wrap=True)


def print_verdict(validation: Any, out: Console) -> None:
    """Print the verdict with its reasons, and a line for each statistic that it does not rest on."""
    verdict, why = validation.verdict, f"recommended: {validation.recommendation.reason}"
    out.print(f"verdict: {verdict.decision}", style="bold")
    for text in (*verdict.reasons, why, *statistics_texts(validation)):
        out.print("- " + wrapped(text, out).lstrip())
    out.print()


def statistics_texts(validation: Any) -> list[str]:
    """Return sentences on the statistics that stand beside the verdict."""
    found = validation.overfitting
    even = f", of {found.control_trials} trials spread evenly {_chance(found.control_pbo)}"
    control = even if found.control_trials else ""  # where they would cost too many runs there are none
    texts = [
        f"probability of backtest overfitting over all trials {_chance(found.pbo)}{control}; without any information "
        "it is about 50%"
    ]
    if found.resampled:
        texts.append(
            "the best of the trials without skill, resampled together, does as well in "
            f"{_chance(found.maximum_p_value)}"
        )
    tests = [f"{RIVALS[name]} {_chance(_p_value(test))}" for name, test in found.superior.items()]
    if tests:
        texts.append(
            f"chance that none of those {found.control_trials} is better in sample than {', '.join(tests)} (Hansen's "
            "test)"
        )
    return texts


def _p_value(test: Any) -> Any:
    return getattr(test, "p_consistent", test)


def _chance(value: Any) -> str:
    """Return a probability, or why there is none.

    >>> _chance(0.0312), _chance(0.0)
    ('3.1%', 'less than 0.2%')
    """
    if not isinstance(value, float):
        return f"unknown ({value})"
    return f"{value:.1%}" if value > 0.0 else "less than 0.2%"


def heading(result: Result) -> list[tuple[str, str]]:
    """Return what was searched, for what, at which costs, how long, and why it ended."""
    data, counts = result.data, result.counts
    lines = [("searched", _period(data.in_sample, data.in_sample_dates))]
    if data.held_out is not None and data.held_out_dates is not None:
        lines.append(("held out", _period(data.held_out, data.held_out_dates)))
    lines.append(("objectives" if result.pareto_front else "score", score_text_of(result.objective)))
    lines.append(("costs", costs_text(result.costs)))
    earlier = f" ({counts.resumed:,} of them before it was continued)" if counts.resumed else ""
    pace = f"{duration_text(result.seconds)}, {rate_text(result.trials_per_second)}"
    name, seed = optimizer_text(result.optimizer), result.seed
    lines.append(("trials", f"{counts.trials:,}{earlier} by {name} with seed {seed} in {pace}"))
    if earlier_text := earlier_searches_text(result.validation):
        lines.append(("earlier", earlier_text))
    lines.append(("ended", STOP_REASONS[result.stop_reason]))
    if result.pareto_front:
        lines.append(("front", _front_text(result)))
    return lines


def earlier_searches_text(validation: Any) -> str:
    """Return what the ledger knows of earlier searches on these data; empty where it knows of none."""
    every = None if validation is None else validation.overfitting.all_tasks
    parts = []
    if every is not None:
        searches = counted(every.searches, "search", "searches")
        about = "about " if every.distinct_error else ""
        parts.append(
            f"{searches} on these data: {about}{every.distinct:,.0f} different trials counted in all"
        )
    others = 0 if validation is None or validation.held_out is None else validation.held_out.looks - 1
    if others:
        parts.append(f"held-out bars seen by {counted(others, 'other winner')}")
    return ", ".join(parts)


def optimizer_text(optimizer: dict[str, Any]) -> str:
    """Return the optimizer's name, with its members where it has some.

    >>> optimizer_text({"name": "auto", "trials_by_author": {"ga": 1800, "bo": 188}})
    'auto (ga 1,800, bo 188)'
    """
    authors = ", ".join(f"{name} {n:,}" for name, n in optimizer.get("trials_by_author", {}).items() if n)
    return f"{optimizer['name']} ({authors})" if authors else str(optimizer["name"])


def _front_text(result: Result) -> str:
    n, wanted = _front_size(result), result.objective.get("reference")
    chosen = "the winner is its knee"
    if wanted is not None:
        point = ", ".join(f"{label_text(name)} {metric_text(name, value)}" for name, value in wanted.items())
        chosen = f"the winner is the closest to {point}"
    trials = "1 trial" if n == 1 else f"{n:,} trials"
    return f"{trials} that no other one beats in every objective; {chosen}"


def score_text_of(objective: Mapping[str, Any]) -> str:
    """Return an objective in its JSON form, with what is required."""
    required = [str(text).removesuffix(".0") for text in objective.get("constraints", ())]
    return str(objective["text"]) + (f", with {' and '.join(required)}" if required else "")


def costs_text(costs: Mapping[str, float]) -> str:
    """Return the costs that are not zero."""
    parts = [f"{name.replace('_', ' ')} {value:g}" for name, value in costs.items() if value]
    return ", ".join(parts) or "none"


def _period(bars: tuple[int, int], dates: tuple[str, str]) -> str:
    return f"{bars[1] - bars[0]:,} bars, {dates[0]} to {dates[1]}"


def _front_size(result: SearchResult) -> int:
    """Return the points of the whole front; of a long one the result names a selection."""
    return len(result.pareto_front) if result.history.front is None else len(result.history.front)


def front_table(result: SearchResult, out: Console) -> Table:
    """Return the front, the best in the first objective first: `FRONT_ROWS` points of it, the winner among them.

    The parameters stand beside the objectives where the console is wide enough.
    """
    wide = _front_table(result, tuple(result.space["parameter_space"]))
    needed = out.measure(wide, options=out.options.update_width(UNLIMITED)).maximum
    return wide if needed <= out.width else _front_table(result, ())


def _front_table(result: SearchResult, parameters: Sequence[str]) -> Table:
    front = result.pareto_front
    names = list(front[0].objectives)
    held_out = front[0].performance.held_out is not None
    parts = ["in sample", *(["held out"] if held_out else [])]
    headings = [
        f"{part if i == 0 else ''}\n{label_text(name)}" for part in parts for i, name in enumerate(names)
    ]
    table = plain_table("", "\ntrial", *headings, *(f"\n{name}" for name in parameters))
    table.padding = (0, 1, 0, 0)
    for point in _shown_points(front, result.best_trial):
        columns = [point.performance.in_sample, *([point.performance.held_out or {}] if held_out else [])]
        table.add_row(
            "winner" if point.trial == result.best_trial else "",
            f"{point.trial:,}",
            *(metric_text(name, column.get(name)) for column in columns for name in names),
            *(value_text(point.parameters.get(name)) for name in parameters),
        )
    if len(front) > FRONT_ROWS:
        table.caption = f"{FRONT_ROWS} of {_front_size(result):,}; --export has all"
        table.caption_justify = "left"
    return table


def _shown_points(front: Sequence[FrontPoint], winner: int) -> list[FrontPoint]:
    """Return at most `FRONT_ROWS` points: both ends, the winner, and others spread evenly between."""
    rows = np.linspace(0, len(front) - 1, min(FRONT_ROWS, len(front))).round().astype(int)
    chosen = [point.trial for point in front].index(winner)
    if chosen not in rows:
        rows[1 + np.argmin(np.abs(rows[1:-1] - chosen))] = chosen
    return [front[row] for row in sorted(rows.tolist())]


def label_text(name: str) -> str:
    """Return a metric's name for people."""
    return name.replace("_", " ")


def numbers_tables(result: Result, width: int) -> list[Table]:
    """Return the metrics in sample and held out: side by side, or in two tables on a narrow terminal."""
    halves = [_half(result, "in_sample")]
    if result.data.held_out is not None:
        halves.append(_half(result, "held_out"))
    if width < SIDE_BY_SIDE.get(sum(map(len, halves)), 0):
        return [_numbers_table(result, [half]) for half in halves]
    return [_numbers_table(result, halves)]


def _half(result: Result, part: str) -> dict[str, Mapping[str, float]]:
    """Return the columns of one part of the data by heading."""
    rivals = {"winner": result.best, "defaults": result.defaults, "buy&hold": result.buy_and_hold}
    if (other := _recommended(result)) is not None:
        rivals = {"recommended": other.performance, **rivals}
    over = {next(iter(rivals)): part.replace("_", " ")}
    return {f"{over.get(name, '')}\n{name}": getattr(rival, part) or {} for name, rival in rivals.items()}


def _recommended(result: SearchResult) -> Any:
    """Return what is recommended where it is not the winner, else None."""
    if result.validation is None or result.recommended_parameters == result.best_parameters:
        return None
    return result.validation.recommendation.regions[0]


def _numbers_table(result: Result, halves: Sequence[Mapping[str, Mapping[str, float]]]) -> Table:
    table = plain_table("", *(heading for half in halves for heading in half))
    table.padding = (0, 1, 0, 0)
    for name in (*([] if result.pareto_front else [SCORE]), *shown_metrics(result)):
        label = "score" if name == SCORE else label_text(name)
        table.add_row(label, *(_cell(name, column.get(name)) for half in halves for column in half.values()))
    return table


def shown_metrics(result: Result) -> tuple[str, ...]:
    """Return the usual metrics, and those of the objective."""
    wanted = result.pareto_front[0].objectives if result.pareto_front else result.objective["weights"]
    return (*SHOWN, *(name for name in wanted if name not in SHOWN))


def _cell(name: str, value: float | None) -> str:
    return score_text(value) if name == SCORE else metric_text(name, value)


def parameters_table(result: SearchResult) -> Table:
    """Return the recommended and the winner's parameters beside the defaults and what was searched."""
    columns = {"winner": result.best_parameters, "default": result.default_parameters}
    if (other := _recommended(result)) is not None:
        columns = {"recommended": other.parameters, **columns}
    table = plain_table("parameter", *columns, "searched")
    for name, entry in result.space["parameter_space"].items():
        values = (value_text(parameters.get(name)) for parameters in columns.values())
        table.add_row(name, *values, _searched(entry))
    return table


def contenders_table(result: Result) -> Table:
    """Return the steadiest trials of different regions beside the winner and the defaults: `CONTENDERS` of them."""
    assert result.validation is not None
    found = result.validation.recommendation
    held_out = result.data.held_out is not None
    rows = [("recommended" if i == 0 else "", each) for i, each in enumerate(found.regions[:CONTENDERS])]
    rows += [("winner", found.best)] + ([("defaults", found.defaults)] if found.defaults is not None else [])
    later = ["held out\nSharpe", "\nreturn"] if held_out else []
    table = plain_table("", "\ntrial", "\nsteady", "\nplateau", "in sample\nSharpe", *later)
    table.padding = (0, 1, 0, 0)
    for label, each in rows:
        numbers = [
            metric_text("sharpe_ratio", value)
            for value in (each.steadiness, each.plateau, each.performance.in_sample["sharpe_ratio"])
        ]
        after = each.performance.held_out or {}
        numbers += [
            metric_text(name, after.get(name)) for name in ("sharpe_ratio", "total_return")[: len(later)]
        ]
        table.add_row(label, "" if each.trial is None else f"{each.trial:,}", *numbers)
    table.caption = "steady: how evenly it earned in sample; plateau: the mean of it and its neighbours"
    table.caption_justify = "left"
    return table


def _searched(entry: Mapping[str, Any]) -> str:
    """Return the bounds or choices of a parameter in its JSON form."""
    if "choices" in entry:
        return " | ".join(map(str, entry["choices"]))
    low, high = (value_text(bound) for bound in entry["bounds"])
    return low if low == high else f"{low} .. {high}"
