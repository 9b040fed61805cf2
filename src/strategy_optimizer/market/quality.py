"""Checks of one symbol's rows: everything that is wrong or worth knowing, at once, with row numbers.

Errors are what no backtest survives or what makes its result meaningless; warnings change how far a result
can be believed; notes are for the record.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from strategy_optimizer.market.advice import repair_advice
from strategy_optimizer.market.bars import PRICES, IntArray
from strategy_optimizer.market.calendars import HOLIDAY_DAYS, Calendar, find_holes, infer_calendar
from strategy_optimizer.market.moments import DAY, MISSING, moment_text, span_text
from strategy_optimizer.market.report import Problem, Severity, counted, make_problem
from strategy_optimizer.market.spikes import check_moves
from strategy_optimizer.market.table import Table

BoolArray = npt.NDArray[np.bool_]

MIN_BARS = 2
FEW_BARS = 100
STALE_OPEN = 1e-4  # an open within 0.01 % of the previous close repeats it
STALE_SHARE = 0.2
ROUNDING = 1e-6  # adjusted prices leave the high-low range by this much of themselves
ZERO_VOLUME_SHARE = 0.01


def check_table(table: Table) -> tuple[list[Problem], Calendar]:
    """Return the problems of one symbol's rows, and its calendar."""
    with np.errstate(all="ignore"):  # broken numbers overflow; what they are is said in words
        return _check_table(table)


def _check_table(table: Table) -> tuple[list[Problem], Calendar]:
    problems = [*_check_timestamps(table), *_check_numbers(table), *_check_closes_only(table)]
    broken = any(problem.severity == "error" for problem in problems)
    clean = _clean(table) if broken else table
    calendar = infer_calendar(clean.timestamp)
    problems += _check_length(table, clean)
    if len(clean) >= MIN_BARS:
        problems += [*_check_calendar(clean, calendar), *check_moves(clean), *_check_volume(clean)]
        problems += _check_opens(clean, calendar) if "open" in clean.columns else []
    return problems, calendar


def _clean(table: Table) -> Table:
    """Return the usable rows in order, so that the other checks can still say something."""
    usable = table.timestamp != MISSING
    for column in _prices(table):
        usable &= np.isfinite(table.columns[column]) & (table.columns[column] > 0)
    table = table.take(usable)
    _, first = np.unique(table.timestamp, return_index=True)
    return table.take(first)


def _prices(table: Table) -> list[str]:
    return [column for column in PRICES if column in table.columns]


# -- timestamps


def _check_timestamps(table: Table) -> Iterator[Problem]:
    known = table.timestamp != MISSING
    if not known.all():
        text = f"timestamps are missing or unreadable; {repair_advice('drop_nan')} drops these rows"
        yield make_problem("bad_timestamp", "error", text, table.row_numbers(~known))
        table = table.take(known)
    steps = np.diff(table.timestamp)
    if len(steps) and steps.min() > 0:
        return
    if (earlier := steps < 0).any():
        yield _unsorted(table, steps, np.flatnonzero(earlier) + 1)
    yield from _duplicates(table)


def _unsorted(table: Table, steps: IntArray, at: IntArray) -> Problem:
    text = (
        "rows run from new to old"
        if (steps <= 0).all()
        else f"{counted(len(at), 'row')} earlier than the row before"
    )
    fix = f"{repair_advice('sort')} sorts them"
    return make_problem("unsorted", "error", f"{text}; {fix}", table.row_numbers(at))


def _duplicates(table: Table) -> Iterator[Problem]:
    order = np.argsort(table.timestamp, kind="stable")
    again = np.flatnonzero(np.diff(table.timestamp[order]) == 0)
    if not len(again):
        return
    one, other = order[again], order[again + 1]
    same = np.logical_and.reduce([v[one] == v[other] for v in table.columns.values()])
    differing = int((~same).sum())
    text = f"{counted(len(again), 'row')} with the timestamp of another ({differing:,} with other values)"
    fix = f"{repair_advice('drop_duplicates')} keeps the last row of each timestamp"
    yield make_problem("duplicate", "error", f"{text}; {fix}", table.row_numbers(np.sort(other)))


# -- numbers


def _check_numbers(table: Table) -> Iterator[Problem]:
    for column in (*_prices(table), "volume"):
        values = table.columns[column]
        if len(values) and not -np.inf < values.min() <= values.max() < np.inf:  # false for NaN, too
            yield _not_finite(table, column)
    for column in _prices(table):
        if (bad := table.columns[column] <= 0).any():
            text = f"{column} is zero or negative; {repair_advice('drop_nonpositive')} drops these rows"
            yield make_problem("nonpositive", "error", text, table.row_numbers(bad))
    if (bad := table.columns["volume"] < 0).any():
        text = f"volume is negative; {repair_advice('fill_volume')} makes it zero"
        yield make_problem("negative_volume", "error", text, table.row_numbers(bad))
    if len(_prices(table)) == len(PRICES):
        yield from _check_ranges(table)


def _not_finite(table: Table, column: str) -> Problem:
    bad = ~np.isfinite(table.columns[column])
    infinite = bool(np.isinf(table.columns[column]).any())
    rows = table.row_numbers(bad)
    texts = dict.fromkeys(text for text in table.texts(column, rows[:100]) if text.lower() != "nan")
    found = f" (found {', '.join(map(repr, list(texts)[:3]))})" if texts else ""
    what = "is missing, infinite or no number" if infinite else "is missing or no number"
    fix = (
        f"{repair_advice('fill_volume')} makes it zero"
        if column == "volume"
        else f"{repair_advice('drop_nan')} drops these rows"
    )
    return make_problem("nan", "error", f"{column} {what}{found}; {fix}", rows)


def _check_ranges(table: Table) -> Iterator[Problem]:
    o, h, low, c = (table.columns[column] for column in PRICES)
    if (crossed := h < low).any():
        text = f"high is below low; {repair_advice('swap_high_low')} swaps the two"
        yield make_problem("high_below_low", "error", text, table.row_numbers(crossed))
    outside = (np.maximum(o, c) > h) | (np.minimum(o, c) < low)
    outside &= ~crossed
    if not outside.any():
        return
    far = outside & ((np.maximum(o, c) > h * (1 + ROUNDING)) | (np.minimum(o, c) < low * (1 - ROUNDING)))
    if far.any():
        fix = f"{repair_advice('widen_high_low')} widens high and low"
        text = f"open or close lies outside low to high; {fix}"
        yield make_problem("outside_range", "error", text, table.row_numbers(far))
    if (near := outside & ~far).any():
        text = "open or close lies outside low to high by a rounding error"
        yield make_problem("rounding", "note", text, table.row_numbers(near))


def _check_closes_only(table: Table) -> Iterator[Problem]:
    if len(_prices(table)) < len(PRICES):
        text = "only closes were found, no open, high and low, so stops and next-open fills would be guesses"
        fix = f"{repair_advice('close_only')} makes bars whose four prices are the close"
        yield make_problem("close_only", "error", f"{text}; {fix}")


def _check_length(table: Table, clean: Table) -> Iterator[Problem]:
    if len(clean) < MIN_BARS:
        usable = "" if len(clean) == len(table) else "usable "
        found = counted(len(clean), f"{usable}row")
        yield make_problem("too_short", "error", f"{found}, needed are at least {MIN_BARS}")
    elif len(clean) < FEW_BARS:
        text = f"{len(clean)} bars are few: no statistic of a backtest on them means much"
        yield make_problem("few_bars", "warning", text)


# -- calendar


def _check_calendar(table: Table, calendar: Calendar) -> Iterator[Problem]:
    if int(table.timestamp[-1]) < 365 * DAY:
        last = moment_text(int(table.timestamp[-1]))
        text = f"the last timestamp is {last}; are the Unix numbers of another unit?"
        yield make_problem("epoch", "warning", text, table.row_numbers(np.array([len(table) - 1])))
    holes = find_holes(table.timestamp, calendar)
    gaps, free = ~holes.holiday, holes.holiday
    if gaps.any():
        yield _gaps(table, calendar, holes.before[gaps], holes.missing[gaps])
    if free.any():
        bars = int(holes.missing[free].sum())
        count = f"{counted(int(free.sum()), 'break')} of up to {HOLIDAY_DAYS} trading days"
        text = f"{count} that may be holidays, {counted(bars, 'bar')} in all"
        yield make_problem("holidays", "note", text, table.row_numbers(holes.before[free]))


def _gaps(table: Table, calendar: Calendar, before: IntArray, missing: IntArray) -> Problem:
    total = int(missing.sum())
    share = total / (total + len(table))
    times = [(table.timestamp[i - 1], table.timestamp[i], m) for i, m in zip(before, missing, strict=True)]
    longest = sorted(times, key=lambda hole: -hole[2])[:3]
    details = [
        f"{moment_text(int(left))} to {moment_text(int(right))}: {int(m):,} missing"
        for left, right, m in longest
    ]
    size = span_text(calendar.step)
    text = f"{counted(len(before), 'gap')} with {counted(total, 'missing bar')} of {size} ({share:.2%})"
    return make_problem("gap", "warning", text, table.row_numbers(before), details=details)


# -- opens and volume


def _check_opens(table: Table, calendar: Calendar) -> Iterator[Problem]:
    """Report opens that repeat the previous close: they turn next-open fills into close fills."""
    close = table.columns["close"][:-1]
    stale = np.abs(table.columns["open"][1:] - close) <= STALE_OPEN * close
    share = float(stale.mean())
    if share < STALE_SHARE:
        return
    text = f"{share:.0%} of the opens equal the previous close"
    if calendar.kind not in ("business_daily", "long"):
        if share > 0.9:
            yield make_problem("stale_open", "note", f"{text}, as in a market without breaks")
        return
    years = table.timestamp[1:].view("M8[ns]").astype("M8[Y]").astype(np.int64) + 1970
    details = _yearly(years, stale)
    yield make_problem(
        "stale_open",
        "warning",
        f"{text}: there, fills at the next open are fills at the close",
        details=details,
    )


def _yearly(years: IntArray, stale: BoolArray) -> list[str]:
    """Return 'first-last: share' for runs of years with about the same share."""
    runs: list[tuple[int, int, float, float]] = []
    for year in np.unique(years).tolist():
        share = float(stale[years == year].mean())
        if runs and abs(share - runs[-1][2]) < 0.1 and abs(share - runs[-1][3]) < 0.1:
            first, _, low, high = runs[-1]
            runs[-1] = (first, year, min(low, share), max(high, share))
        else:
            runs.append((year, year, share, share))
    return [_run_text(*run) for run in runs]


def _run_text(first: int, last: int, low: float, high: float) -> str:
    years = str(first) if first == last else f"{first}-{last}"
    shares = f"{low:.0%}" if round(low, 2) == round(high, 2) else f"{low:.0%} to {high:.0%}"
    return f"{years}: {shares}"


def _check_volume(table: Table) -> Iterator[Problem]:
    if any(note.kind == "no_volume" for note in table.notes):
        return
    zero = table.columns["volume"] == 0
    share = float(zero.mean())
    if share == 1.0:
        yield make_problem("no_volume", "note", "the volume is zero everywhere")
    elif share > 0:
        severity: Severity = "warning" if share >= ZERO_VOLUME_SHARE else "note"
        text = f"the volume is zero in {share:.2%} of the bars; nobody traded there, but a backtest does"
        yield make_problem("zero_volume", severity, text, table.row_numbers(zero))
