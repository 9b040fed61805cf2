"""The command `analyse`: from result files to what their trials say."""

from __future__ import annotations

import json
import sys
from typing import Any

from strategy_optimizer.analysis import analyse, compare_optimizers, compare_tasks
from strategy_optimizer.analysis.comparable import same_problem
from strategy_optimizer.cli.analysis_view import print_analysis, print_comparison
from strategy_optimizer.cli.arguments import UsageError, parse_fixed
from strategy_optimizer.cli.exits import DONE
from strategy_optimizer.cli.judging_options import AnalyseOptions
from strategy_optimizer.models import read_result
from strategy_optimizer.plain import as_plain
from strategy_optimizer.tasks import Result


def run_analyse(options: AnalyseOptions) -> int:
    """Print the analysis of a result, and its comparison with others, and return the exit code."""
    result = read_result(options.result, options.trials)
    asked = [_parameters(text, result) for text in options.at]
    # Only the numbers of the others are compared: their trials may be anywhere.
    results = [result, *(read_result(other, complete=False) for other in options.compare)]
    optimizers = compare_optimizers(results) if options.compare and same_problem(results) else None
    found = analyse(result, asked, seed=options.seed)
    if options.json:
        data: dict[str, Any] = found.to_dict()
        if options.compare:
            data |= {"tasks": as_plain(compare_tasks(results)), "optimizers": as_plain(optimizers)}
        sys.stdout.write(json.dumps(data, indent=2, allow_nan=False) + "\n")
        return DONE
    print_analysis(result, found)
    if options.compare:
        print_comparison(compare_tasks(results), optimizers)
    return DONE


def _parameters(text: str, result: Result) -> dict[str, Any]:
    """Return the parameters of ``name=value,name=value``; those it leaves out are the winner's, else the defaults."""
    space = result.history.space
    typed = parse_fixed(text.split(","), space.parameters, "--at")
    if not typed:
        raise UsageError("--at is empty; expected NAME=VALUE, such as threshold=0.02")
    known = {name: parameter.default_value for name, parameter in space.parameters.items()}
    winner = {name: value for name, value in result.best_parameters.items() if name in known}
    return {**known, **winner, **typed}
