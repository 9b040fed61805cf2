"""Prints an analysis: sentences, importance, convergence, predictions, comparisons, as plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from strategy_optimizer.analysis import (
    Analysis,
    BeforeAfter,
    Importance,
    OptimizerComparison,
    Prediction,
    TaskRow,
)
from strategy_optimizer.analysis.convergence import Course
from strategy_optimizer.analysis.importance import Measure
from strategy_optimizer.analysis.optimizer_comparison import PairTest
from strategy_optimizer.cli.terminal import console, plain_table, wrapped
from strategy_optimizer.number_texts import duration_text, metric_text, score_text, value_text
from strategy_optimizer.report.course import course_texts
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation.statistics import NotEnough

SCORE = "composite_score"
SHOWN = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "trades")
FEW_SENTENCES = "nothing that the trials say beyond doubt"


def print_analysis(result: Result, found: Analysis) -> None:
    """Print the analysis of a result for people to stdout."""
    out = console()
    trials = f"{result.counts.trials:,} trials by {result.optimizer['name']}"
    out.print(
        f"\n{result.strategy_name} on {result.data.name}: {trials} for {result.objective['text']}",
        style="bold",
    )
    _section(out, "what the trials say")
    _points(out, [each.text for each in found.insights] or [FEW_SENTENCES])
    for importance in found.importance.values():
        _print_importance(out, importance)
    _section(out, "convergence")
    _points(out, list(convergence_texts(found.convergence)))
    for prediction in found.predictions:
        _print_prediction(out, prediction)
    _print_before_after(out, found.before_after)


def _section(out: Console, title: str) -> None:
    out.print(f"\n{title}", style="bold")


def _points(out: Console, texts: Sequence[str]) -> None:
    for text in texts:
        out.print("- " + wrapped(text, out).lstrip())


# -- importance


def _print_importance(out: Console, importance: Importance) -> None:
    _section(out, f"importance for the {importance.of}")
    first = importance.parameters[0]
    if isinstance(first.total, NotEnough) and isinstance(first.delta, NotEnough):
        _points(out, [str(first.delta)])
        return
    table = plain_table(
        "\nparameter",
        "takes\npart in",
        "\n90% band",
        "explains\nalone",
        "trials,\nshuffled",
        "decides\nthe best",
        "\ndelta",
        "\nchance",
    )
    table.padding = (0, 1, 0, 0)
    for each in importance.parameters:
        table.add_row(
            each.name,
            _share(each.total),
            "-" if isinstance(each.total, NotEnough) else f"{each.total.lower:.0%}-{each.total.upper:.0%}",
            _share(each.first),
            _share(each.permutation),
            _share(each.ped_anova),
            _number(each.delta),
            "-" if math.isnan(each.delta_chance) else f"{each.delta_chance:.2f}",
        )
    out.print(table)
    _points(out, [_model_text(importance), importance.caution])


def _model_text(importance: Importance) -> str:
    if isinstance(importance.explained, NotEnough):
        return f"no model: {importance.explained}"
    return (
        f"the first three numbers are of the whole space, by a model that foresees {importance.explained:.0%} of the "
        f"variation of {importance.trials:,} trials; the others are of the trials alone, and delta at or below its "
        "chance is none"
    )


def _share(measure: Measure) -> str:
    return "-" if isinstance(measure, NotEnough) else f"{measure.value:.1%}"


def _number(measure: Measure) -> str:
    return "-" if isinstance(measure, NotEnough) else f"{measure.value:.2f}"


# -- convergence


def convergence_texts(course: Course) -> Iterator[str]:
    """Return sentences on how a search went, and on who found what."""
    yield from course_texts(course)
    for name, share in course.authors.items():
        yield f"{name}: {share.trials:,} trials, {share.improvements:,} of them improvements"


# -- predictions


def _print_prediction(out: Console, prediction: Prediction) -> None:
    _section(
        out, "at " + ", ".join(f"{name}={value_text(value)}" for name, value in prediction.parameters.items())
    )
    if prediction.measured is not None:
        _points(
            out,
            [f"measured: trial {prediction.measured.number:,}, {prediction.measured.reason or 'completed'}"],
        )
    table = plain_table(
        "", "predicted" if prediction.measured is None else "measured", "50% between", "90% between"
    )
    lacking = []
    for name, each in prediction.metrics.items():
        if isinstance(each, NotEnough):
            lacking.append(f"{name}: {each}")
            continue
        table.add_row(
            _label(name), _metric(name, each.value), _interval(name, each.half), _interval(name, each.most)
        )
    if table.row_count:
        out.print(table)
    _points(out, [*lacking, *_prediction_notes(prediction)])


def _prediction_notes(prediction: Prediction) -> Iterator[str]:
    if prediction.measured is not None:
        return
    if isinstance(prediction.failure, NotEnough):
        yield f"chance of a failed trial: {prediction.failure}"
    elif prediction.failure > 0.0:
        yield f"chance of a failed trial: {prediction.failure:.0%}"
    yield (
        "on the bars that were searched, not on those held out; of trials that the model did not know, 90% lay in such "
        "intervals"
    )


def _interval(name: str, ends: tuple[float, float]) -> str:
    return f"{_metric(name, ends[0])} .. {_metric(name, ends[1])}" if ends[0] < ends[1] else ""


def _metric(name: str, value: float) -> str:
    return score_text(value) if name in ("score", SCORE) else metric_text(name, value)


def _label(name: str) -> str:
    return "score" if name == SCORE else name.replace("_", " ")


# -- comparisons


def _print_before_after(out: Console, found: BeforeAfter) -> None:
    _section(out, f"{found.what} and the winner")
    held_out = {change.metric: change for change in found.held_out}
    headings = ["", "in sample\nbefore", "\nafter", *(["held out\nbefore", "\nafter"] if held_out else [])]
    table = plain_table(*headings)
    for change in found.in_sample:
        if change.metric not in (SCORE, *SHOWN):
            continue
        both = [change, *([held_out[change.metric]] if change.metric in held_out else [])]
        cells = [_metric(change.metric, value) for each in both for value in (each.before, each.after)]
        table.add_row(_label(change.metric), *cells)
    out.print(table)


def print_comparison(tasks: Sequence[TaskRow], optimizers: OptimizerComparison | None) -> None:
    """Print several tasks side by side, and their optimizers where they are of one problem."""
    out = console()
    _section(out, "the tasks")
    table = plain_table("strategy", "data", "by", "seed", "trials", "score", "held out", "verdict", left=3)
    for row in tasks:
        table.add_row(
            row.strategy,
            row.data,
            row.optimizer,
            str(row.seed),
            f"{row.trials:,}",
            score_text(row.score),
            score_text(row.held_out_score),
            row.verdict or "-",
        )
    out.print(table)
    _section(out, "the optimizers")
    if optimizers is None:
        _points(out, ["not compared: the tasks are not of one problem with one score"])
        return
    out.print(_optimizer_table(optimizers))
    _points(out, [_pair_text(pair) for pair in optimizers.pairs] or ["all results are of one optimizer"])


def _optimizer_table(optimizers: OptimizerComparison) -> Table:
    table = plain_table("", "seeds", "mean best", "spread", "lowest", "highest", "held out", "time")
    for row in optimizers.rows:
        table.add_row(
            row.name,
            str(len(row.seeds)),
            *(score_text(v) for v in (row.mean, row.spread, row.lowest, row.highest, row.held_out_mean)),
            duration_text(row.seconds),
        )
    return table


def _pair_text(pair: PairTest) -> str:
    between = f"{pair.first} - {pair.second}"
    if isinstance(pair.p_value, NotEnough):
        return f"{between}: no winner is named; {pair.p_value}"
    chance = f"{score_text(pair.difference)} over {pair.seeds} seeds, p = {pair.p_value:.3f}"
    return (
        f"{between}: {chance}; {f'{pair.winner} is better' if pair.winner else 'no difference beyond chance'}"
    )
