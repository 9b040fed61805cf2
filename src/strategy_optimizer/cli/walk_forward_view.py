"""Prints a walk-forward: its windows, the track record beside its rivals, the choices, the catch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from strategy_optimizer.cli.result_view import SHOWN, UNLIMITED, costs_text, label_text, score_text_of
from strategy_optimizer.cli.terminal import console, plain_table, wrapped
from strategy_optimizer.market.report import counted
from strategy_optimizer.number_texts import duration_text, metric_text, value_text
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward import MatrixCell, TrackRecord, WalkForward, WalkForwardMatrix

PAIR = ("sharpe_ratio", "annual_return")


def print_walk_forward(found: WalkForward, call: Sequence[str] = ()) -> None:
    """Print a walk-forward for people to stdout; `call` is what was typed."""
    out = console()
    out.print(f"\n{found.strategy_name} on {found.data_name}, walk-forward", style="bold")
    for label, text in _heading(found):
        out.print(f"{label:<10} {text}", soft_wrap=True)
    for table in (windows_table(found, out), records_table(found), stability_table(found)):
        out.print()
        out.print(table)
    out.print()
    for text in (_efficiency_sentence(found), *found.notes):
        out.print("- " + wrapped(text, out).lstrip())
    _print_call(out, call)


def _print_call(out: Console, call: Sequence[str]) -> None:
    if call:
        out.print(f"\nThe same again: strategy-optimizer {shlex.join(call)}", soft_wrap=True)


def _heading(found: WalkForward) -> list[tuple[str, str]]:
    lengths = found.lengths
    past = f"{lengths.train:,} bars" + (" and more, from the first bar on" if lengths.anchored else "")
    apart = f", {lengths.step:,} from one to the next" if lengths.step != lengths.test else ""
    purge = f", {lengths.purge:,} left out before them" if lengths.purge else ""
    return [
        ("windows", f"{len(found.windows):,}: searched {past}, tested {lengths.test:,} bars{apart}{purge}"),
        ("tested", f"{len(found.out_of_sample.returns):,} bars, {found.dates[0]} to {found.dates[1]}"),
        ("traded", "the recommended parameters" if found.choose == "recommended" else "the best in sample"),
        ("score", score_text_of(found.objective)),
        ("costs", costs_text(found.costs)),
        (
            "trials",
            f"{found.trials:,} by {found.optimizer['name']} with seed {found.seed} in {duration_text(found.seconds)}",
        ),
    ]


def windows_table(found: WalkForward, out: Console) -> Table:
    """Return one row a window; the parameters stand in it where the console is wide enough."""
    wide = _windows_table(found, [one.name for one in found.stability])
    needed = out.measure(wide, options=out.options.update_width(UNLIMITED)).maximum
    return wide if needed <= out.width else _windows_table(found, [])


def _windows_table(found: WalkForward, parameters: Sequence[str]) -> Table:
    headings = ("in sample\nsharpe", "\na year", "tested\nsharpe", "\na year", "\nefficiency")
    table = plain_table("\ntested from", "\nto", *headings, *(f"\n{name}" for name in parameters))
    table.padding = (0, 1, 0, 0)
    for window in found.windows:
        inside, outside = window.in_sample or {}, window.out_of_sample
        chosen = window.parameters or {}
        table.add_row(
            *window.test_dates,
            *(metric_text(name, part.get(name)) for part in (inside, outside) for name in PAIR),
            statistic_text(window.efficiency),
            *(value_text(chosen.get(name)) for name in parameters),
        )
    return table


def statistic_text(value: float | NotEnough) -> str:
    """Return a number with two digits, or a dash where there is none.

    >>> statistic_text(0.123), statistic_text(NotEnough("returns", 1, 2))
    ('0.12', '-')
    """
    return "-" if isinstance(value, NotEnough) else f"{value:.2f}"


def records_table(found: WalkForward) -> Table:
    """Return the stitched track record beside the defaults and buy-and-hold."""
    records = {
        "re-optimised": found.out_of_sample,
        **({} if found.defaults is None else {"defaults": found.defaults}),
        "buy&hold": found.buy_and_hold,
    }
    table = plain_table("all tests, end to end", *records)
    for name in SHOWN:
        table.add_row(label_text(name), *(metric_text(name, r.metrics[name]) for r in records.values()))
    for label, name in (("PSR (h0)", "psr_h0"), ("PSR (2012)", "psr_2012"), ("t-statistic", "t_statistic")):
        table.add_row(label, *(statistic_text(getattr(record, name)) for record in records.values()))
    return table


def stability_table(found: WalkForward) -> Table:
    """Return each parameter's choices: the range that was chosen, how far they spread, how often they changed."""
    table = plain_table("parameter", "chosen", "default", "spread", "changes")
    for one in found.stability:
        table.add_row(
            one.name,
            _chosen(one.values),
            value_text(found.default_parameters.get(one.name)),
            "-" if one.spread is None else f"{one.spread:.2f}",
            f"{one.changes:,}",
        )
    return table


def _chosen(values: Sequence[Any]) -> str:
    """Return the range of numbers, or the choices.

    >>> _chosen((3, None, 1)), _chosen(("b", "a", "b"))
    ('1 .. 3', 'b | a')
    """
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        low, high = value_text(min(known)), value_text(max(known))
        return low if low == high else f"{low} .. {high}"
    return " | ".join(map(str, dict.fromkeys(known)))


def _efficiency_sentence(found: WalkForward) -> str:
    gaining = f"{found.share_gaining:.0%} of {counted(len(found.windows), 'window')} made a gain"
    if isinstance(found.efficiency, NotEnough):
        return f"{gaining}; walk-forward efficiency is not defined: {found.efficiency}"
    return (
        f"{gaining}; walk-forward efficiency is {found.efficiency:.2f}: the annual return out of sample is "
        f"{found.efficiency:.0%} of that in sample"
    )


# -- the matrix ----------------------------------------------------------------------------------------------


def print_matrix(found: WalkForwardMatrix, call: Sequence[str] = ()) -> None:
    """Print a walk-forward matrix for people to stdout."""
    out, first = console(), found.cells[0].result
    out.print(f"\n{first.strategy_name} on {first.data_name}, walk-forward matrix", style="bold")
    tested = (
        f"{len(first.out_of_sample.returns):,} bars, {found.dates[0]} to {found.dates[1]}, the same for all"
    )
    by = f"{found.trials:,} by {first.optimizer['name']} with seed {found.seed} in {duration_text(found.seconds)}"
    for label, text in (
        ("tested", tested),
        ("score", score_text_of(first.objective)),
        ("costs", costs_text(first.costs)),
        ("trials", by),
    ):
        out.print(f"{label:<10} {text}", soft_wrap=True)
    out.print()
    out.print(cells_table(found))
    out.print()
    out.print(wrapped(found.recommendation, out, 0), style="bold")
    for text in (*_incomplete(found), *found.caveats):
        out.print("- " + wrapped(text, out).lstrip())
    _print_call(out, call)


def cells_table(found: WalkForwardMatrix) -> Table:
    """Return one row a pair of lengths, then buy-and-hold."""
    table = plain_table(
        "searched", "tested", "windows", "sharpe", "a year", "PSR (h0)", "gaining", "efficiency", left=2
    )
    for k, cell in enumerate(found.cells):
        result = cell.result
        table.add_row(
            cell.train,
            cell.test,
            f"{len(result.windows):,}",
            *_record_texts(result.out_of_sample),
            f"{result.share_gaining:.0%}",
            statistic_text(result.efficiency),
            style="bold" if k == found.best else None,
        )
    _add_rivals(table, found.cells[found.best or 0], found.buy_and_hold)
    return table


def _add_rivals(table: Table, cell: MatrixCell, buy_and_hold: TrackRecord) -> None:
    if cell.result.defaults is not None:
        table.add_row("defaults", "", "", *_record_texts(cell.result.defaults), "", "")
    table.add_row("buy&hold", "", "", *_record_texts(buy_and_hold), "", "")


def _record_texts(record: TrackRecord) -> tuple[str, ...]:
    metrics: Mapping[str, float] = record.metrics
    return (*(metric_text(name, metrics[name]) for name in PAIR), statistic_text(record.psr_h0))


def _incomplete(found: WalkForwardMatrix) -> list[str]:
    if len(found.cells) == found.planned:
        return []
    return [f"interrupted: {len(found.cells)} of {counted(found.planned, 'pair')} of lengths are done"]
