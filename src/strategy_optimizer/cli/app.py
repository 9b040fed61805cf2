"""The program `strategy-optimizer`: its commands and options, and how errors end it.

Only Typer is imported here, so that ``--help`` comes at once; a command imports its work when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from strategy_optimizer.cli import option_types
from strategy_optimizer.cli.exits import CALL_WRONG, DONE, PIPE_CLOSED, WORK_FAILED
from strategy_optimizer.cli.option_types import (
    AsJson,
    Borrow,
    Cash,
    Commission,
    Constraint,
    Data,
    Fill,
    FixedFee,
    From,
    Generations,
    Holdout,
    ObjectiveText,
    OptimizerName,
    Param,
    Patience,
    Population,
    Quiet,
    Reference,
    Repair,
    Require,
    Seed,
    Setting,
    Slippage,
    SpaceFile,
    StrategyName,
    Target,
    To,
    Trials,
    WithLedger,
    Workers,
    whole,
)
from strategy_optimizer.cli.options import OptimizeOptions, ReportOptions, WalkForwardOptions
from strategy_optimizer.errors import ReproductionError, StrategyOptimizerError
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


SAMPLE = "nasdaq"


@app.command(
    short_help="Search the best parameters of a strategy.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --data nasdaq --evaluations 2000\n"
    "  strategy-optimizer optimize my_strategy.py --data prices.csv --time 5m\n"
    "  strategy-optimizer optimize ma_cross -o calmar_ratio -r 'trades >= 30'\n"
    "  strategy-optimizer optimize momentum -o sharpe_ratio,max_drawdown,turnover\n"
    "  strategy-optimizer optimize momentum --report momentum.html",
)
def optimize(
    context: typer.Context,
    strategy: StrategyName,
    data: Data = [SAMPLE],  # noqa: B006  # Typer copies it
    start: From = None,
    end: To = None,
    repair: Repair = None,
    evaluations: Annotated[
        int | None, option_types.evaluations("How many trials; 2000 if no --time is given.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", "-t", metavar="T", help="How long to search: 30s, 5m, 1h30m.")
    ] = None,
    target: Target = None,
    patience: Patience = None,
    objective: ObjectiveText = None,
    reference: Reference = None,
    require: Require = None,
    holdout: Holdout = 0.25,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate", help="Say whether the winner can be believed, from all trials."
        ),
    ] = True,
    require_edge: Annotated[
        bool, typer.Option("--require-edge", help="End with exit code 3 unless the verdict is deploy.")
    ] = False,
    space: SpaceFile = None,
    constraint: Constraint = None,
    param: Param = None,
    optimizer: OptimizerName = "auto",
    population: Population = None,
    generations: Generations = None,
    setting: Setting = None,
    seed: Seed = 0,
    commission: Commission = 0.0005,
    slippage: Slippage = 0.0002,
    fixed_fee: FixedFee = 0.0,
    borrow: Borrow = 0.0,
    cash: Cash = 100_000.0,
    fill: Fill = "next_open",
    workers: Workers = None,
    ledger: WithLedger = True,
    warm_start: Annotated[
        Path | None,
        typer.Option(
            "--warm-start",
            metavar="FILE",
            help="Try the best trials of an earlier --export first, on these data.",
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="DIR", help="Keep the search here, also when it is done."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted search.")] = False,
    export: Annotated[list[Path] | None, option_types.export("all trials")] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write a report: one page with verdict, equity, robustness, walk-forward and surfaces.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Search the best parameters of STRATEGY and show how they do on data they were not chosen on."""
    options = OptimizeOptions.of(locals())
    from strategy_optimizer.cli.searching import run_optimize

    return run_optimize(options, call=context.obj)


@app.command(
    "optimize-engine",
    short_help="Search the best parameters of what another engine runs.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize-engine my_backtest.py:run --space space.json -o sharpe_ratio\n"
    "  strategy-optimizer optimize-engine my_engine.py --evaluations 500 --workers 4 --trial-time 60s\n"
    "  strategy-optimizer optimize-engine my_engine.py --executor ray --lookahead free",
)
def optimize_engine(
    context: typer.Context,
    engine: Annotated[
        str,
        typer.Argument(
            metavar="ENGINE",
            help="my_engine.py, a name in it (my_engine.py:run), or package.module:name: an Engine, or a function "
            "that takes a dict of parameters and returns a dict of metrics.",
        ),
    ],
    space: SpaceFile = None,
    constraint: Constraint = None,
    param: Param = None,
    optimizer: OptimizerName = "auto",
    evaluations: Annotated[
        int | None, option_types.evaluations("How many trials; 200 if no --time is given.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", "-t", metavar="T", help="How long to search: 30s, 5m, 1h30m.")
    ] = None,
    target: Target = None,
    patience: Patience = None,
    seed: Seed = 0,
    objective: ObjectiveText = None,
    require: Require = None,
    reference: Reference = None,
    setting: Setting = None,
    holdout: Holdout = 0.25,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate", help="Say whether the winner can be believed, from all trials."
        ),
    ] = True,
    require_edge: Annotated[
        bool, typer.Option("--require-edge", help="End with exit code 3 unless the verdict is deploy.")
    ] = False,
    ledger: WithLedger = True,
    executor: Annotated[
        str,
        typer.Option("--executor", metavar="NAME", help="processes, serial (in this process) or ray."),
    ] = "processes",
    workers: Workers = None,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", metavar="ADDRESS", help="A Ray cluster to join; needs --executor ray."),
    ] = None,
    trial_time: Annotated[
        str | None, typer.Option("--trial-time", metavar="T", help="How long one trial may take: 60s, 10m.")
    ] = None,
    trial_memory: Annotated[
        str | None,
        typer.Option("--trial-memory", metavar="SIZE", help="Memory of one trial. [default: 4G]"),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory", metavar="SIZE", help="Memory of all trials together: 8G. Near it fewer run."
        ),
    ] = None,
    lookahead: Annotated[
        str,
        typer.Option(
            "--lookahead",
            metavar="N|free",
            help="Trials in flight that do not know each other; the search is the same for any number of workers. "
            "free: each knows all that have ended.",
        ),
    ] = "8",
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Take trials that are known already; see `cache`.")
    ] = True,
    warm_start: Annotated[
        Path | None,
        typer.Option(
            "--warm-start", metavar="FILE", help="Try the best trials of an earlier --export first."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="DIR", help="Keep the search here, also when it is done."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted search.")] = False,
    export: Annotated[list[Path] | None, option_types.export("all trials")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Search the best parameters of what ENGINE runs: your own function, an HTTP service, another package.

    Trials run in worker processes with limits; whatever one of them does, it fails with its reason and the search goes
    on. See docs/engines and docs/executors.md.
    """
    typed = locals()
    lists = ("constraint", "param", "require", "setting", "export")
    from strategy_optimizer.cli.engines import EngineOptions, run_engine

    del typed["context"]
    typed["json"] = typed.pop("as_json")
    return run_engine(EngineOptions(**{**typed, **{name: typed[name] or [] for name in lists}}), context.obj)


@app.command(
    "walk-forward",
    short_help="Choose on the past, test on what follows, again and again.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer walk-forward momentum --data nasdaq --train 3y --test 6m\n"
    "  strategy-optimizer walk-forward ma_cross --train 5y --test 1y --anchored -r 'trades >= 10'\n"
    "  strategy-optimizer walk-forward momentum --train 1y,3y,5y --test 3m,6m,1y --matrix",
)
def walk_forward(
    context: typer.Context,
    strategy: StrategyName,
    data: Data = [SAMPLE],  # noqa: B006  # Typer copies it
    start: From = None,
    end: To = None,
    repair: Repair = None,
    train: Annotated[
        str,
        typer.Option(
            "--train",
            metavar="LENGTH",
            help="Each search sees this much of the past: 3y, 18m, 26w, 90d, or 500 for bars.",
        ),
    ] = "3y",
    test: Annotated[
        str,
        typer.Option("--test", metavar="LENGTH", help="What it chose is traded on so much of what follows."),
    ] = "6m",
    step: Annotated[
        str | None,
        typer.Option(
            "--step", metavar="LENGTH", help="From one test to the next. [default: as long as a test]"
        ),
    ] = None,
    purge: Annotated[
        str,
        typer.Option("--purge", metavar="LENGTH", help="Left out between the past and its test."),
    ] = "0",
    anchored: Annotated[
        bool, typer.Option("--anchored", help="The past always begins at the first bar, and grows.")
    ] = False,
    choose: Annotated[
        str,
        typer.Option(
            "--choose",
            metavar="WHICH",
            help="Trade the recommended parameters of each search, or its best ones: recommended | best.",
        ),
    ] = "recommended",
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix", help="Compare all pairs of --train 1y,3y and --test 3m,6m: how often is best?"
        ),
    ] = False,
    evaluations: Annotated[
        int | None, option_types.evaluations("Trials in each window. [default: 2000]")
    ] = None,
    target: Target = None,
    patience: Patience = None,
    objective: ObjectiveText = None,
    reference: Reference = None,
    require: Require = None,
    space: SpaceFile = None,
    constraint: Constraint = None,
    param: Param = None,
    optimizer: OptimizerName = "auto",
    population: Population = None,
    generations: Generations = None,
    setting: Setting = None,
    seed: Seed = 0,
    commission: Commission = 0.0005,
    slippage: Slippage = 0.0002,
    fixed_fee: FixedFee = 0.0,
    borrow: Borrow = 0.0,
    cash: Cash = 100_000.0,
    fill: Fill = "next_open",
    workers: Workers = None,
    ledger: WithLedger = True,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="DIR", help="Keep each window here as soon as it is done."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted walk-forward from its --checkpoint.")
    ] = False,
    export: Annotated[list[Path] | None, option_types.export("the windows")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Optimise STRATEGY on a window of the past, trade the choice on the bars that follow, move on, repeat.

    All tests put end to end are a track record that no search has seen. It stands beside that of the default
    parameters and of buy-and-hold; PSR says how sure it is that it is no luck.
    """
    options = WalkForwardOptions.of(locals())
    from strategy_optimizer.cli.walk_forward import run_walk_forward

    return run_walk_forward(options, call=context.obj)


@app.command(
    short_help="Say what the trials of a search tell.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --json > result.json\n"
    "  strategy-optimizer analyse result.json\n"
    "  strategy-optimizer analyse result.json --at 'lookback_period=60,threshold=0.03'\n"
    "  strategy-optimizer analyse ga-1.json --compare ga-2.json --compare bo-1.json --compare bo-2.json",
)
def analyse(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT.json", help="What `optimize --json` wrote.", show_default=False)
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            metavar="NAME=VALUE,...",
            help="Predict these parameters; those left out are the winner's. Several times.",
        ),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            help="Another result. Several of one problem, with other optimizers and seeds, are tested in pairs.",
        ),
    ] = None,
    trials: Trials = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> int:
    """Say what the trials of a search tell: which parameters matter, what more may be found, what others would do.

    A model of the trials answers for parameters that were not tried, with intervals that held nine of ten trials which
    it did not know. Where the trials are too few, or say too little, there is no number but the reason.
    """
    from strategy_optimizer.cli.analyse import run_analyse

    return run_analyse(result, at or [], compare or [], trials, seed, as_json)


@app.command(
    short_help="See what one set of parameters stands.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer validate momentum -p lookback_period=20 -p threshold=0.02\n"
    "  strategy-optimizer optimize ma_cross --data nasdaq --json > result.json\n"
    "  strategy-optimizer validate ma_cross --data nasdaq --result result.json",
)
def validate(
    strategy: StrategyName,
    data: Data = [SAMPLE],  # noqa: B006  # Typer copies it
    start: From = None,
    end: To = None,
    repair: Repair = None,
    param: Param = None,
    result: Annotated[
        Path | None,
        typer.Option(
            "--result",
            metavar="FILE",
            help="Take the recommended parameters of this result, written by `optimize --json`.",
        ),
    ] = None,
    commission: Commission = 0.0005,
    slippage: Slippage = 0.0002,
    fixed_fee: FixedFee = 0.0,
    borrow: Borrow = 0.0,
    cash: Cash = 100_000.0,
    fill: Fill = "next_open",
    replications: Annotated[
        int,
        typer.Option(
            "--replications", parser=whole, metavar="N", help="Backtests on each kind of changed market."
        ),
    ] = 100,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Change all that the result of one set of parameters hangs on, and show what is left of it.

    Confidence bands, neighbouring parameters, doubled costs, decisions a bar later, noise, resampled and dropped
    bars, trades in other orders, and a full look-ahead check. Nothing is searched and nothing chosen, so this counts
    against no winner. Parameters that are not given take their defaults. Ends with 1 when the signals look ahead.
    """
    typed = {**locals(), "json": as_json, "repair": repair or [], "param": param or []}
    del typed["as_json"]
    from strategy_optimizer.cli.validate import ValidateOptions, run_validate

    return run_validate(ValidateOptions(**typed))


@app.command(
    "report",
    short_help="Write a result as one HTML page.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --json > result.json\n"
    "  strategy-optimizer report result.json --out report.html\n"
    "  strategy-optimizer report mine.json --out mine.html --strategy my_strategy.py --data prices.csv",
)
def report_result(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT.json", help="What `optimize --json` wrote.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE.html", help="The page; an existing one is replaced.", show_default=False
        ),
    ],
    trials: Trials = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="NAME|FILE",
            help="The strategy, where it is not found by the name in the result.",
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            metavar="NAME|FILE",
            help="The data, where they are no sample; of them the result's period is taken. As for `optimize`.",
        ),
    ] = None,
    repair: Repair = None,
    walk_forward: Annotated[
        bool,
        typer.Option(
            "--walk-forward/--no-walk-forward",
            help="Search again in six windows of the searched bars, where that takes less than about 20 seconds.",
        ),
    ] = True,
    quiet: Quiet = False,
) -> int:
    """Write a result as one HTML page that needs no network.

    It opens with the verdict and its reasons, and shows equity and drawdown, the contenders, every statistic with what
    it says, robustness, a walk-forward, convergence, importance and surfaces of the parameters. Strategy and data are
    loaded again, and used only when they are those of the result; without them the page says what it leaves out.
    """
    from strategy_optimizer.cli.report import run_report

    return run_report(
        ReportOptions(result, out, trials, strategy, data or [], repair or [], walk_forward, quiet)
    )


@app.command(
    short_help="Check data for errors, and a strategy for look-ahead.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer check my_strategy.py --data nasdaq\n"
    "  strategy-optimizer check - --data prices.csv\n"
    "  strategy-optimizer check - --data prices.csv --repair sort",
)
def check(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY|-", help="As for `optimize`; - checks the data only.")
    ],
    data: Data = [SAMPLE],  # noqa: B006  # Typer copies it
    start: From = None,
    end: To = None,
    repair: Repair = None,
    param: Param = None,
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates",
            parser=whole,
            metavar="N",
            help="Parameter sets to test: the defaults, then random.",
        ),
    ] = 5,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> int:
    """Check data for errors, and STRATEGY for looking into the future.

    The look-ahead test computes the signals again on shortened data and on data with another future: a signal
    that changes has seen bars it could not know. Ends with 1 when there is something to mend.
    """
    from strategy_optimizer.cli.check import run_check

    return run_check(strategy, data, start, end, repair or [], param or [], candidates, seed, as_json)


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
def show_ledger(
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            metavar="NAME|FILE",
            help="Only what would count for a search of these data; as for `optimize`.",
        ),
    ] = None,
    start: From = None,
    end: To = None,
    repair: Repair = None,
    holdout: Holdout = 0.25,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove what is shown; later searches do not count it any more.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a reset.")] = False,
    as_json: AsJson = False,
) -> int:
    """Show the trial ledger: every search and walk-forward that was made, on which data, with how many trials.

    A new search counts the trials of earlier ones that searched at least half of its bars, and the winners that were
    shown on at least half of its held-out bars; both weigh on its verdict. The ledger lies in the user's data folder,
    holds keys and monthly returns of a few trials, no prices, and is emptied only by --reset.
    """
    from strategy_optimizer.cli.ledger import Wanted, run_ledger

    return run_ledger(Wanted(data or [], start, end, repair or [], holdout), reset, yes, as_json)


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


def main() -> None:
    """Run the program with the arguments it was started with."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code; every error becomes one message on stderr."""
    try:
        code = typer.main.get_command(app).main(
            list(arguments), PROGRAM, standalone_mode=False, obj=tuple(arguments)
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except StrategyOptimizerError as error:
        return _fail(str(error), WORK_FAILED if isinstance(error, ReproductionError) else CALL_WRONG, error)
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter must not try to flush the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except SystemExit as error:  # a strategy file without `if __name__ == "__main__":`
        return _fail(f"the strategy's code ended the program: SystemExit({error.code})", CALL_WRONG, error)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", CALL_WRONG, error)
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's own: an unknown option, a value out of range
            return _fail(_usage_text(error), CALL_WRONG, error)
        message = f"unexpected {type(error).__name__}: {error}"
        return _fail(
            f"{message}\nThis is a fault of the program; {DEBUG}=1 shows the traceback", WORK_FAILED, error
        )


def _fail(message: str, code: int, error: BaseException) -> int:
    from strategy_optimizer.cli.terminal import error as print_error

    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    print_error(message)
    return code


def _usage_text(error: Exception) -> str:
    """Return Typer's message in our form, with where to look."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = error.format_message().strip().rstrip(".")  # type: ignore[attr-defined]
    return f"{message[:1].lower()}{message[1:]}; see {path} --help"
