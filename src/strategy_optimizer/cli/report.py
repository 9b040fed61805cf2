"""The command `report`, and the page that `optimize --report` writes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.text import Text

from strategy_optimizer.cli.backtest_options import DataChoice
from strategy_optimizer.cli.data import load_named_bars
from strategy_optimizer.cli.exits import DONE, INTERRUPTED
from strategy_optimizer.cli.judging_options import ReportOptions
from strategy_optimizer.cli.progress import LiveProgress
from strategy_optimizer.cli.terminal import note
from strategy_optimizer.models import read_result
from strategy_optimizer.report import check_report_path, write_report
from strategy_optimizer.tasks import OptimizationTask, Result


class ReportProgress(LiveProgress):
    """Receives texts on what is being computed and shows them."""

    def __call__(self, text: str) -> None:
        """Show one text."""
        if not self._quiet:
            self._update(lambda: Text(f"report: {text} ...", style="dim"), lambda: f"report: {text}")


def run_report(options: ReportOptions) -> int:
    """Write the page of a result file and return the exit code."""
    check_report_path(options.out)
    result = read_result(options.result, options.trials)
    found = result.data
    wanted = DataChoice(options.data, found.first, found.last, options.columns, options.repair)
    bars = load_named_bars(wanted) if options.data else None
    # What a strategy prints must not get into the output.
    try:
        with redirect_stdout(sys.stderr), ReportProgress(quiet=options.quiet) as progress:
            write_report(
                result,
                options.out,
                strategy=options.strategy,
                data=bars,
                walk_forward=options.walk_forward,
                progress=progress,
            )
    except KeyboardInterrupt:
        note("interrupted; no report was written")
        return INTERRUPTED
    note(f"wrote the report to {options.out}")
    return DONE


def make_report(
    result: Result, path: Path, task: OptimizationTask, call: Sequence[str], *, quiet: bool
) -> bool:
    """Write the page of a search that has just ended; False after Ctrl-C."""
    again = shlex.join(["strategy-optimizer", *(argument for argument in call if argument != "--resume")])
    try:
        with redirect_stdout(sys.stderr), ReportProgress(quiet=quiet) as progress:
            write_report(result, path, strategy=task.strategy, data=task.bars, call=again, progress=progress)
    except KeyboardInterrupt:
        note("interrupted; the report was not written")
        return False
    note(f"wrote the report to {path}")
    return True
