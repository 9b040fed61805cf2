"""The command `validate`: what one set of parameters stands, without another search."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from typing import Any

from strategy_optimizer.backtest import Costs, Rules
from strategy_optimizer.cli.arguments import UsageError, parse_fixed
from strategy_optimizer.cli.data import load_named_bars
from strategy_optimizer.cli.exits import DONE, WORK_FAILED
from strategy_optimizer.cli.judging_options import ValidateOptions
from strategy_optimizer.cli.progress import LiveProgress, bar_line
from strategy_optimizer.cli.validate_view import print_robustness
from strategy_optimizer.models import read_result
from strategy_optimizer.plain import as_plain
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.validation import LookaheadReport
from strategy_optimizer.validation.robustness import Robustness, examine_robustness


class RobustnessProgress(LiveProgress):
    """Shows how many backtests are done."""

    def __call__(self, part: str, done: int, total: int) -> None:
        """Show how far it is; `part` is what is being changed."""
        if not self._quiet:
            text = f"{done:,} of at most {total:,} backtests ({part.replace('_', ' ')})"
            self._update(lambda: bar_line(done / max(total, 1), text, self._console), lambda: text)


def run_validate(options: ValidateOptions) -> int:
    """Print what the parameters stand; return 1 when the signals look ahead."""
    if options.replications < 20:
        raise UsageError(f"--replications is {options.replications}; expected at least 20")
    with redirect_stdout(sys.stderr), RobustnessProgress(quiet=options.quiet) as progress:
        cls = get_strategy(options.strategy)
        params = _parameters(options, cls)
        bars = load_named_bars(options)
        costs = Costs(options.commission, options.fixed_fee, options.slippage, options.borrow)
        found = examine_robustness(
            cls,
            params,
            bars,
            Rules(costs, cash=options.cash, fill=options.fill),
            data_replications=options.replications,
            seed=options.seed,
            threads=options.workers,
            progress=progress,
        )
    if options.json:
        document = {
            "strategy": cls.label(),
            "data": bars.name,
            "parameters": params,
            "robustness": as_plain(found),
            "warnings": list(found.warnings),
        }
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        print_robustness(cls.label(), params, bars, found)
    return WORK_FAILED if _looks_ahead(found) else DONE


def _parameters(options: ValidateOptions, cls: Any) -> dict[str, Any]:
    """Return all active parameters: typed ones, else those a result recommends, else the defaults."""
    space = cls.space()
    known = {name: parameter.default_value for name, parameter in space.parameters.items()}
    if options.result is not None:
        result = read_result(options.result, complete=False)
        chosen = result.recommended_parameters or result.best_parameters
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise UsageError(
                f"--result {options.result} is of the strategy {result.strategy_name}, whose parameter "
                f"'{unknown[0]}' {cls.label()} has not"
            )
        known |= chosen
    parameters: dict[str, Any] = space.validate(known | parse_fixed(options.param, space.parameters))
    return parameters


def _looks_ahead(found: Robustness) -> bool:
    return isinstance(found.lookahead, LookaheadReport) and not found.lookahead.ok
