"""Prints the result of a search on another engine: the winner beside the defaults, and where the trials ran."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from strategy_optimizer.cli.result_view import (
    SCORE,
    SHOWN,
    front_table,
    label_text,
    optimizer_text,
    parameters_table,
    print_end,
    score_text_of,
)
from strategy_optimizer.cli.terminal import console, plain_table
from strategy_optimizer.market.report import counted
from strategy_optimizer.number_texts import duration_text, metric_text, rate_text, score_text
from strategy_optimizer.records import STOP_REASONS
from strategy_optimizer.tasks import EngineResult

MOST_METRICS = 14


def print_engine_result(result: EngineResult, call: Sequence[str] = ()) -> None:
    """Print a result for people to stdout; `call` is what was typed."""
    out = console()
    out.print(f"\n{result.strategy_name}", style="bold")
    for label, text in engine_heading(result):
        out.print(f"{label:<10} {text}", soft_wrap=True)
    fronts = [front_table(result, out)] if result.pareto_front else []
    for table in (*fronts, engine_numbers(result), parameters_table(result)):
        out.print()
        out.print(table)
    out.print()
    print_end(result, result.reproduced_by, call, out)


def engine_heading(result: EngineResult) -> list[tuple[str, str]]:
    """Return for what was searched, how long, where the trials ran, and why it ended."""
    counts, execution = result.counts, result.execution
    earlier = f" ({counts.resumed:,} of them before it was continued)" if counts.resumed else ""
    pace = f"{duration_text(result.seconds)}, {rate_text(result.trials_per_second)}"
    who = optimizer_text(result.optimizer)
    workers = counted(execution["workers"], "worker")
    where = "in this process" if execution["executor"] == "serial" else f"{execution['executor']}, {workers}"
    notes = [
        text
        for count, text in (
            (execution["cached_trials"], f"{execution['cached_trials']:,} taken from the cache"),
            (execution["restarted_workers"], f"{execution['restarted_workers']:,} workers replaced"),
            (execution["retried_runs"], f"{execution['retried_runs']:,} runs begun again"),
            (counts.pruned, _pruned_text(result)),
        )
        if count
    ]
    return [
        ("objectives" if result.pareto_front else "score", score_text_of(result.objective)),
        ("trials", f"{counts.trials:,}{earlier} by {who} with seed {result.seed} in {pace}"),
        ("run by", ", ".join([where, execution["order"], *notes])),
        ("ended", STOP_REASONS[result.stop_reason]),
    ]


def _pruned_text(result: EngineResult) -> str:
    """Say how many trials were stopped early, and how much of the folds and of the workers' time that saved."""
    execution = result.execution
    saved, run = execution.get("folds_saved", 0), execution.get("folds_run", 0)
    share = f"{saved / (saved + run):.0%} of the folds and " if saved else ""
    seconds = duration_text(execution.get("seconds_saved", 0.0))
    return f"{result.counts.pruned:,} stopped early, which saved {share}{seconds} of a worker"


def engine_numbers(result: EngineResult) -> Table:
    """Return the metrics of the winner and of the parameters tried first, in sample and held out."""
    columns = {"in sample\nwinner": result.best.in_sample, "\ndefaults": result.defaults.in_sample}
    if result.best.held_out is not None:
        columns |= {"held out\nwinner": result.best.held_out, "\ndefaults ": result.defaults.held_out or {}}
    table = plain_table("", *columns)
    table.padding = (0, 1, 0, 0)
    for name in (*([] if result.pareto_front else [SCORE]), *engine_metrics(result)):
        label = "score" if name == SCORE else label_text(name)
        cells = [column.get(name) for column in columns.values()]
        table.add_row(label, *(score_text(x) if name == SCORE else metric_text(name, x) for x in cells))
    return table


def engine_metrics(result: EngineResult) -> list[str]:
    """Return which metrics are shown: those of the objective, the usual ones, then the engine's own."""
    names = [name for name in result.best.in_sample if name != SCORE]
    if result.objective.get("weights") == {"score": 1.0}:
        names.remove("score")  # the first row has it
    wanted = result.pareto_front[0].objectives if result.pareto_front else result.objective["weights"]
    first = [name for name in (*wanted, *SHOWN) if name in names]
    return list(dict.fromkeys([*first, *names]))[:MOST_METRICS]
