"""The command `check`: whether the data are sound, and whether the strategy looks into the future."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from strategy_optimizer.cli.arguments import UsageError, parse_fixed
from strategy_optimizer.cli.data import data_source, load_named_bars, reading_options
from strategy_optimizer.cli.exits import DONE, WORK_FAILED
from strategy_optimizer.cli.judging_options import CheckOptions
from strategy_optimizer.cli.terminal import console, note
from strategy_optimizer.errors import DataError, StrategyError
from strategy_optimizer.market import Bars, DataReport, check_bars
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.validation import LookaheadReport, check_lookahead

NO_STRATEGY = "-"


def run_check(options: CheckOptions) -> int:
    """Print both reports; return 1 when there is something to mend."""
    how = reading_options(options)
    if options.candidates < 1:
        raise UsageError(f"--candidates is {options.candidates}; expected at least 1")
    reports: list[LookaheadReport] = []
    with redirect_stdout(sys.stderr):  # what a strategy prints must not get into the reports
        cls = None if options.strategy == NO_STRATEGY else get_strategy(options.strategy)
        space = None if cls is None else cls.space().fix(parse_fixed(options.param, cls.parameters))
        data_report = check_bars(data_source(options.data), **how)
        if space is not None and data_report.ok:
            bars = load_named_bars(options)
            reports = _lookahead(cls, bars, space, options.candidates, options.seed)
    ok = data_report.ok and all(report.ok for report in reports)
    if options.json:
        document = {"ok": ok, "data": data_report.to_dict(), "lookahead": [r.to_dict() for r in reports]}
        print(json.dumps(document, indent=2))  # noqa: T201
    else:
        _print(data_report, reports, tested=cls is not None)
    return DONE if ok else WORK_FAILED


def _lookahead(
    cls: Any, bars: Bars, space: ParameterSpace, candidates: int, seed: int
) -> list[LookaheadReport]:
    """Test some candidates, until one looks ahead: a choice may lead to a branch that does."""
    points = _candidates(space, candidates, seed)
    note(f"look-ahead test of {len(points)} parameter sets on {bars.n_bars:,} bars ...")
    reports: list[LookaheadReport] = []
    for i, point in enumerate(points):
        try:
            reports.append(check_lookahead(cls, point, bars, seed=seed))
        except StrategyError as error:
            raise StrategyError(f"with {_as_text(point)}: {error}") from error
        except DataError as error:  # too few bars for its warm-up
            if i == len(points) - 1 and not reports:
                raise
            note(f"not tested, {_as_text(point)}: {error}")
        if reports and reports[-1].found:
            break
    return reports


def _candidates(space: ParameterSpace, n: int, seed: int) -> list[dict[str, Any]]:
    """Return the defaults, if they are allowed, and random points; `n` in all, or fewer in a small space."""
    defaults = space.from_dicts([space.defaults()])
    points = np.vstack([defaults[space.is_feasible(defaults)], space.sample(n, np.random.default_rng(seed))])
    return list(space.to_dicts(space.distinct(points)[:n]))


def _print(data_report: DataReport, reports: Sequence[LookaheadReport], *, tested: bool) -> None:
    out = console()
    out.print("data", style="bold")
    out.print(str(data_report), soft_wrap=True)
    if not tested:
        return
    out.print("\nlook-ahead", style="bold")
    if not reports:
        out.print("not tested: mend the data first")
        return
    worst = next((r for r in reports if not r.ok), None)
    if worst is not None:
        out.print(f"{worst}\nwith {_as_text(worst.params)}", soft_wrap=True, style="red")
        return
    signals, cuts = sum(r.n_events for r in reports), sum(len(r.cuts) for r in reports)
    out.print(
        f"none found: the signals of {len(reports)} parameter sets stayed the same on {cuts} shortened runs "
        f"({signals:,} signals compared)",
        soft_wrap=True,
    )
    if not signals:
        out.print("but no signal came at all, so this says little: try other parameters or more bars")
    short = [failure for report in reports for failure in report.failures]
    if short:
        out.print(
            f"note: fails within the warm-up, given {short[0].cut} bars: {short[0].message}", soft_wrap=True
        )


def _as_text(params: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())
