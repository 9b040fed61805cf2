"""The commands of the program `strategy-optimizer`.

Only Typer is imported here, so that ``--help`` comes at once; a command imports its work when it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from strategy_optimizer.cli.account_commands import add_account_commands
from strategy_optimizer.cli.judging_options import (
    AnalyseOptions,
    CheckOptions,
    LedgerOptions,
    ReportOptions,
    ValidateOptions,
)
from strategy_optimizer.cli.option_types import AsJson, Seed
from strategy_optimizer.cli.search_options import EngineOptions, OptimizeOptions, WalkForwardOptions
from strategy_optimizer.cli.service_commands import add_service_commands
from strategy_optimizer.cli.taking import takes
from strategy_optimizer.version import __version__

PROGRAM = "strategy-optimizer"
DEBUG = "STRATEGY_OPTIMIZER_DEBUG"

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(epilog="\b\nExamples:\n  strategy-optimizer demo\n  strategy-optimizer optimize --help")
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Find the best parameters of a trading strategy, and see how they do on data they were not chosen on.

    Exit codes: 0 done; 1 the work failed, or `check` or `validate` found a problem; 2 the call, the data or the
    strategy is wrong; 3 nothing worth deploying was found (only with `optimize --require-edge`); 130 interrupted by
    Ctrl-C (what was done is kept).
    """


@app.command(
    short_help="Search the best parameters of a strategy.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --data nasdaq --evaluations 2000\n"
    "  strategy-optimizer optimize my_strategy.py --data prices.csv --time 5m\n"
    "  strategy-optimizer optimize ma_cross -o calmar_ratio -r 'trades >= 30'\n"
    "  strategy-optimizer optimize momentum -o sharpe_ratio,max_drawdown,turnover\n"
    "  strategy-optimizer optimize momentum --report momentum.html",
)
@takes(OptimizeOptions)
def optimize(options: OptimizeOptions, call: Sequence[str]) -> int:
    """Search the best parameters of STRATEGY and show how they do on data they were not chosen on."""
    from strategy_optimizer.cli.searching import run_optimize

    return run_optimize(options, call)


@app.command(
    "optimize-engine",
    short_help="Search the best parameters of what another engine runs.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize-engine my_backtest.py:run --space space.json -o sharpe_ratio\n"
    "  strategy-optimizer optimize-engine my_engine.py --evaluations 500 --workers 4 --trial-time 60s\n"
    "  strategy-optimizer optimize-engine my_backtest.py:on_fold --folds 8 --prune 0.01\n"
    "  strategy-optimizer optimize-engine my_engine.py --executor ray --lookahead free",
)
@takes(EngineOptions)
def optimize_engine(options: EngineOptions, call: Sequence[str]) -> int:
    """Search the best parameters of what ENGINE runs: your own function, an HTTP service, another package.

    Trials run in worker processes with limits; whatever one of them does, it fails with its reason and the search goes
    on. See docs/engines and docs/executors.md.
    """
    from strategy_optimizer.cli.engines import run_engine

    return run_engine(options, call)


@app.command(
    "walk-forward",
    short_help="Choose on the past, test on what follows, again and again.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer walk-forward momentum --data nasdaq --train 3y --test 6m\n"
    "  strategy-optimizer walk-forward ma_cross --train 5y --test 1y --anchored -r 'trades >= 10'\n"
    "  strategy-optimizer walk-forward momentum --train 1y,3y,5y --test 3m,6m,1y --matrix",
)
@takes(WalkForwardOptions)
def walk_forward(options: WalkForwardOptions, call: Sequence[str]) -> int:
    """Optimise STRATEGY on a window of the past, trade the choice on the bars that follow, move on, repeat.

    All tests put end to end are a track record that no search has seen. It stands beside that of the default
    parameters and of buy-and-hold; PSR says how sure it is that it is no luck.
    """
    from strategy_optimizer.cli.walk_forward import run_walk_forward

    return run_walk_forward(options, call)


@app.command(
    short_help="Say what the trials of a search tell.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --json > result.json\n"
    "  strategy-optimizer analyse result.json\n"
    "  strategy-optimizer analyse result.json --at 'lookback_period=60,threshold=0.03'\n"
    "  strategy-optimizer analyse ga-1.json --compare ga-2.json --compare bo-1.json --compare bo-2.json",
)
@takes(AnalyseOptions)
def analyse(options: AnalyseOptions, call: Sequence[str]) -> int:
    """Say what the trials of a search tell: which parameters matter, what more may be found, what others would do.

    A model of the trials answers for parameters that were not tried, with intervals that held nine of ten trials which
    it did not know. Where the trials are too few, or say too little, there is no number but the reason.
    """
    from strategy_optimizer.cli.analyse import run_analyse

    return run_analyse(options)


@app.command(
    short_help="See what one set of parameters stands.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer validate momentum -p lookback_period=20 -p threshold=0.02\n"
    "  strategy-optimizer optimize ma_cross --data nasdaq --json > result.json\n"
    "  strategy-optimizer validate ma_cross --data nasdaq --result result.json",
)
@takes(ValidateOptions)
def validate(options: ValidateOptions, call: Sequence[str]) -> int:
    """Change all that the result of one set of parameters hangs on, and show what is left of it.

    Confidence bands, neighbouring parameters, doubled costs, decisions a bar later, noise, resampled and dropped
    bars, trades in other orders, and a full look-ahead check. Nothing is searched and nothing chosen, so this counts
    against no winner. Parameters that are not given take their defaults. Ends with 1 when the signals look ahead.
    """
    from strategy_optimizer.cli.validate import run_validate

    return run_validate(options)


@app.command(
    "report",
    short_help="Write a result as one HTML page.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --json > result.json\n"
    "  strategy-optimizer report result.json --out report.html\n"
    "  strategy-optimizer report mine.json --out mine.html --strategy my_strategy.py --data prices.csv",
)
@takes(ReportOptions)
def report_result(options: ReportOptions, call: Sequence[str]) -> int:
    """Write a result as one HTML page that needs no network.

    It opens with the verdict and its reasons, and shows equity and drawdown, the contenders, every statistic with what
    it says, robustness, a walk-forward, convergence, importance and surfaces of the parameters. Strategy and data are
    loaded again, and used only when they are those of the result; without them the page says what it leaves out.
    """
    from strategy_optimizer.cli.report import run_report

    return run_report(options)


@app.command(
    short_help="Check data for errors, and a strategy for look-ahead.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer check my_strategy.py --data nasdaq\n"
    "  strategy-optimizer check - --data prices.csv\n"
    "  strategy-optimizer check - --data prices.csv --repair sort",
)
@takes(CheckOptions)
def check(options: CheckOptions, call: Sequence[str]) -> int:
    """Check data for errors, and STRATEGY for looking into the future.

    The look-ahead test computes the signals again on shortened data and on data with another future: a signal
    that changes has seen bars it could not know. Ends with 1 when there is something to mend.
    """
    from strategy_optimizer.cli.check import run_check

    return run_check(options)


@app.command(
    epilog="\b\nExamples:\n"
    "  strategy-optimizer strategies\n"
    "  strategy-optimizer strategies ma_cross\n"
    "  strategy-optimizer strategies ma_cross --json > space.json"
)
def strategies(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One of them, or a file, in full.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List the strategies and their parameters."""
    from strategy_optimizer.cli.strategies import list_all, show_one

    return list_all(as_json) if name is None else show_one(name, as_json)


@app.command(
    "ledger",
    short_help="Show which trials count against the next search.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer ledger\n"
    "  strategy-optimizer ledger --data prices.csv\n"
    "  strategy-optimizer ledger --data prices.csv --reset",
)
@takes(LedgerOptions)
def show_ledger(options: LedgerOptions, call: Sequence[str]) -> int:
    """Show the trial ledger: every search and walk-forward that was made, on which data, with how many trials.

    A new search counts the trials of earlier ones that searched at least half of its bars, and the winners that were
    shown on at least half of its held-out bars; both weigh on its verdict. The ledger lies in the user's data folder,
    holds keys and monthly returns of a few trials, no prices, and is emptied only by --reset.
    """
    from strategy_optimizer.cli.ledger import run_ledger

    return run_ledger(options)


@app.command(
    "cache",
    short_help="Show which finished trials are kept, or forget them.",
    epilog="\b\nExamples:\n  strategy-optimizer cache\n  strategy-optimizer cache --clear",
)
def show_cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all trials; later searches compute theirs again.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Show the trial cache: how many finished trials it has, and how much room they take.

    A trial is found again by everything that its numbers depend on: the strategy's code, the parameters, the data,
    costs and rules, and the versions of what computed them. Only trials that took some milliseconds are kept; those
    used longest ago make room for new ones.
    """
    from strategy_optimizer.cli.cache import run_cache

    return run_cache(clear, as_json)


@app.command(
    short_help="See it work: momentum on twenty years of NASDAQ.",
    epilog="\b\nExample:\n  strategy-optimizer demo",
)
def demo(seed: Seed = 0) -> int:
    """Optimise the momentum strategy on twenty years of NASDAQ data, and say what came of it."""
    from strategy_optimizer.cli.demo import run_demo

    return run_demo(seed)


add_service_commands(app)
add_account_commands(app)
