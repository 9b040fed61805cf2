"""The command `ledger`: which trials count against the next search, and how to forget them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from rich.table import Table

from strategy_optimizer.cli.arguments import UsageError
from strategy_optimizer.cli.data import load_named_bars
from strategy_optimizer.cli.exits import DONE
from strategy_optimizer.cli.judging_options import LedgerOptions
from strategy_optimizer.cli.terminal import console, note, plain_table
from strategy_optimizer.market.report import counted
from strategy_optimizer.tasks.division import divide
from strategy_optimizer.validation.ledger import Entry, Ledger, months_of, saw, unreadable_note

HEADINGS = (
    "\nwhen (UTC)",
    "\nstrategy",
    "\ndata",
    "\nsearched",
    "\ntrials",
    "\ndistinct",
    "held-out\nlooks",
)


def run_ledger(options: LedgerOptions) -> int:
    """Show the ledger, or remove what would have been shown; all of it where no data are named."""
    _check(options)
    ledger = Ledger()
    reading = ledger.read()
    entries = _chosen(reading.entries, options)
    if reading.unreadable:
        note(unreadable_note(reading))
    if options.reset:
        _reset(ledger, entries, options, n_unreadable=len(reading.unreadable))
    elif options.json:
        print(json.dumps([entry.to_dict() for entry in entries], indent=2))  # noqa: T201
    else:
        _print(entries, ledger, options)
    return DONE


def _check(options: LedgerOptions) -> None:
    says_how = any((options.start, options.end, options.columns, options.repair))
    if says_how and not options.data:
        raise UsageError(
            "--from, --to, --columns and --repair say how --data are read, and which part; add --data"
        )
    if options.yes and not options.reset:
        raise UsageError("--yes answers the question of --reset; add --reset, or leave it out")
    if options.reset and options.json:
        raise UsageError("--reset prints no JSON; give one of --reset and --json")
    if options.reset and not options.yes and not sys.stdin.isatty():
        raise UsageError("--reset asks first, and there is no terminal to ask on; add --yes")


def _chosen(entries: Sequence[Entry], options: LedgerOptions) -> list[Entry]:
    """Return the entries that would count for a search of the wanted data."""
    if not options.data:
        return list(entries)
    bars = load_named_bars(options)
    searched, held_out = (months_of(bars, part) for part in divide(bars, options.holdout))
    return [entry for entry in entries if searched.mostly_in(entry.searched) or saw(entry, held_out)]


def _reset(ledger: Ledger, entries: Sequence[Entry], options: LedgerOptions, *, n_unreadable: int) -> None:
    n = len(entries) + (0 if options.data else n_unreadable)
    what = f"{counted(n, 'entry', 'entries')} of the trial ledger {ledger.folder}"
    if not n:
        note("there is nothing to remove")
        return
    if not options.yes and not _agreed(
        f"This removes {what}. Later searches will look better than they are."
    ):
        note("nothing was removed")
        return
    if options.data:
        ledger.remove(entries)
    else:
        ledger.clear()
    note(f"removed {what}")


def _agreed(warning: str) -> bool:
    note(f"{warning} Remove? [y/N]")
    try:
        return input().strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        return False


def _print(entries: Sequence[Entry], ledger: Ledger, options: LedgerOptions) -> None:
    out = console()
    if not entries:
        out.print(
            f"The trial ledger {ledger.folder} has no search{' of these data' if options.data else ''} yet."
        )
        return
    out.print(_table(entries))
    counts = (
        "All of these count for a search of these data."
        if options.data
        else ("A search counts those that share at least half of its bars: --data NAME shows which.")
    )
    out.print(f"\n{counts} They lie in {ledger.folder}", soft_wrap=True)


def _table(entries: Sequence[Entry]) -> Table:
    table = plain_table(*HEADINGS, left=4)
    for entry in entries:
        table.add_row(
            entry.recorded[:16].replace("T", " "),
            entry.strategy + (", walk-forward" if entry.kind == "walk-forward" else ""),
            entry.data,
            f"{entry.first[:7]}..{entry.last[:7]}" if entry.first else "-",  # another engine's
            f"{entry.trials.made:,}",
            f"{entry.trials.distinct:,}",
            f"{entry.looks:,}" if entry.held_out.n_bars else "-",
        )
    return table
