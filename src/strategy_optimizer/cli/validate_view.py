"""Prints what one set of parameters stands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from strategy_optimizer.cli.result_view import SHOWN, label_text
from strategy_optimizer.cli.terminal import console, plain_table, wrapped
from strategy_optimizer.market import Bars
from strategy_optimizer.market.moments import moment_text
from strategy_optimizer.number_texts import metric_text, value_text
from strategy_optimizer.validation import LookaheadReport
from strategy_optimizer.validation.robustness import Robustness
from strategy_optimizer.validation.statistics import NotEnough

MARKETS = {
    "noise": "noise added",
    "resampling": "blocks resampled",
    "dropped_bars": "bars dropped",
}


def print_robustness(strategy: str, params: Mapping[str, Any], bars: Bars, found: Robustness) -> None:
    """Print the parameters, what is left of the metrics under each change, and the warnings."""
    out = console()
    out.print(f"\n{strategy} on {bars.name}, examined", style="bold")
    first, last = (moment_text(int(bars.timestamp[i])) for i in (0, -1))
    out.print(f"bars       {bars.n_bars:,}, {first} to {last}", soft_wrap=True)
    given = ", ".join(f"{name}={value_text(value)}" for name, value in params.items())
    out.print(f"parameters {given}", soft_wrap=True)
    out.print(f"backtests  {found.trials:,}; they choose nothing, so they count against no winner")
    for table in (changes_table(found), markets_table(found), neighbours_table(found)):
        out.print()
        out.print(table)
    out.print()
    for text in sentences(found):
        out.print("- " + wrapped(text, out).lstrip())


def changes_table(found: Robustness) -> Table:
    """Return each metric as it is, with its band, at higher costs, and with a delay."""
    delayed = "a bar\nlater" if found.delay.bars == 1 else f"{found.delay.bars} bars\nlater"
    table = plain_table(
        "", "\nas it is", "90% band\nfrom", "\nto", f"costs\nx {found.costs.multiple:g}", delayed
    )
    for name in SHOWN:
        band = found.bands.get(name)
        ends = ("", "") if band is None else _ends(name, band)
        changed = (_text(name, each.perturbed[name]) for each in (found.costs, found.delay))
        table.add_row(label_text(name), _text(name, found.metrics[name]), *ends, *changed)
    return table


def markets_table(found: Robustness) -> Table:
    """Return the lower and middle of each metric over changed markets."""
    kinds = {kind: getattr(found, kind) for kind in MARKETS}
    headings = (
        f"{MARKETS[kind] if i == 0 else ''}\n{text}" for kind in kinds for i, text in enumerate(("5%", "50%"))
    )
    table = plain_table("", *headings)
    for name in ("total_return", "sharpe_ratio", "max_drawdown", "trades"):
        cells = []
        for each in kinds.values():
            q = each.quantiles[name]
            cells += ["-", "-"] if isinstance(q, NotEnough) else [_text(name, q.lower), _text(name, q.median)]
        table.add_row(label_text(name), *cells)
    return table


def neighbours_table(found: Robustness) -> Table:
    """Return what is left of the Sharpe ratio when each parameter is moved alone, and all together."""
    table = plain_table("parameter moved", "neighbours", "worst Sharpe", "10% quantile", "of its own")
    rows = {**found.parameters.by_parameter, "all": found.parameters.overall}
    for name, plateau in rows.items():
        worst = plateau.worst if isinstance(plateau.worst, NotEnough) else plateau.worst.value
        table.add_row(
            name,
            f"{plateau.neighbours:,}",
            *(_text("sharpe_ratio", value) for value in (worst, plateau.lower_quantile)),
            "-" if isinstance(plateau.robustness_ratio, NotEnough) else f"{plateau.robustness_ratio:.0%}",
        )
    return table


def sentences(found: Robustness) -> list[str]:
    """Return the warnings, and what no table shows."""
    texts = [f"warning: {text}" for text in found.warnings]
    if isinstance(found.lookahead, LookaheadReport):
        texts.append(str(found.lookahead).splitlines()[0])
    else:
        texts.append(f"no look-ahead check: {found.lookahead}")
    multiple = found.costs.break_even_multiple
    if isinstance(multiple, NotEnough):
        texts.append(f"no costs at which the return falls to zero: {multiple}")
    elif math.isinf(multiple):
        texts.append("it still earns at the highest costs that can be tried")
    else:
        texts.append(f"the return falls to zero at {multiple:.2g} times the costs")
    drawn = found.permuted_trades
    if isinstance(drawn, NotEnough):
        texts.append(f"no drawdowns of its trades in other orders: {drawn}")
    else:
        texts.append(
            f"its trades in other orders had a drawdown above {drawn.alarm_drawdown:.1%} in one of twenty: a "
            "deeper one is a reason to stop and look"
        )
    return texts


def _ends(name: str, band: Any) -> tuple[str, str]:
    return ("-", "-") if isinstance(band, NotEnough) else (_text(name, band.lower), _text(name, band.upper))


def _text(name: str, value: Any) -> str:
    return "-" if isinstance(value, NotEnough) else metric_text(name, value)
