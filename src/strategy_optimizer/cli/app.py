"""The program `strategy-optimizer`: its commands and options, and how errors end it.

Only Typer is imported here, so that ``--help`` comes at once; a command imports its work when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from strategy_optimizer.cli.exits import CALL_WRONG, DONE, PIPE_CLOSED, WORK_FAILED
from strategy_optimizer.cli.options import OptimizeOptions
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


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a whole number, such as 2000") from None


def _whole_or_auto(text: str) -> Any:
    return text if text == "auto" else _whole(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        hint = "; it is a fraction, 5 % is 0.05" if text.endswith("%") else ", such as 0.05"
        raise typer.BadParameter(f"'{text}' is not a number{hint}") from None


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

    Exit codes: 0 done; 1 the work failed, or `check` found a problem; 2 the call, the data or the strategy is
    wrong; 130 interrupted by Ctrl-C (what was done is kept).
    """


Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        "-d",
        metavar="NAME|FILE",
        help="A sample (nasdaq, sp500), a CSV or Parquet file, or a folder of them. "
        "Several times for several symbols.",
    ),
]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First date, such as 2005-03.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last date, included.")]
Repair = Annotated[
    list[str] | None,
    typer.Option(
        "--repair", metavar="WHAT", help="What may be mended in the data, such as sort or drop_nan."
    ),
]
Param = Annotated[
    list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="Hold a parameter fixed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on stdout.")]
Seed = Annotated[
    int, typer.Option("--seed", "-s", parser=_whole, metavar="N", help="Same seed, same search.")
]
SAMPLE = "nasdaq"


@app.command(
    short_help="Search the best parameters of a strategy.",
    epilog="\b\nExamples:\n"
    "  strategy-optimizer optimize momentum --data nasdaq --evaluations 2000\n"
    "  strategy-optimizer optimize my_strategy.py --data prices.csv --time 5m\n"
    "  strategy-optimizer optimize ma_cross -o calmar_ratio -r 'trades >= 30'\n"
    "  strategy-optimizer optimize momentum -o sharpe_ratio,max_drawdown,turnover",
)
def optimize(
    context: typer.Context,
    strategy: Annotated[
        str,
        typer.Argument(metavar="STRATEGY", help="A built-in name, my_strategy.py, or package.module:Class."),
    ],
    data: Data = [SAMPLE],  # noqa: B006  # Typer copies it
    start: From = None,
    end: To = None,
    repair: Repair = None,
    evaluations: Annotated[
        int | None,
        typer.Option(
            "--evaluations",
            "-n",
            parser=_whole,
            metavar="N",
            help="How many trials; 2000 if no --time is given.",
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", "-t", metavar="T", help="How long to search: 30s, 5m, 1h30m.")
    ] = None,
    target: Annotated[
        float | None, typer.Option("--target", parser=_number, metavar="SCORE", help="Stop at this score.")
    ] = None,
    patience: Annotated[
        Any,
        typer.Option(
            "--patience",
            parser=_whole_or_auto,
            metavar="N",
            help="Stop after N trials without a better one; auto: when twice the trials brought nothing.",
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            "-o",
            metavar="WHAT",
            help="A metric, weights (sharpe_ratio:0.7,win_rate:0.3), several metrics for the trade-offs between "
            "them (sharpe_ratio,max_drawdown) or a JSON file. [default: sharpe_ratio]",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="WANTED",
            help="Of several metrics: take the trade-off closest to sharpe_ratio:1,max_drawdown:0.2 instead "
            "of the knee.",
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "-r", metavar="EXPR", help="What a winner must have: 'trades >= 30'."),
    ] = None,
    holdout: Annotated[
        float,
        typer.Option(
            "--holdout",
            parser=_number,
            metavar="SHARE",
            help="Share of the bars, the last, kept out of the search.",
        ),
    ] = 0.25,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate", help="Say whether the winner can be believed, from all trials."
        ),
    ] = True,
    require_edge: Annotated[
        bool, typer.Option("--require-edge", help="End with exit code 3 unless the verdict is deploy.")
    ] = False,
    space: Annotated[
        Path | None,
        typer.Option(
            "--space", metavar="FILE", help="JSON file with other bounds, see `strategies NAME --json`."
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option("--constraint", "-c", metavar="EXPR", help="Between parameters: 'fast < slow'."),
    ] = None,
    param: Param = None,
    optimizer: Annotated[
        str,
        typer.Option(
            "--optimizer", metavar="NAME", help="auto, bo, hybrid, ensemble, ga, nsga2, random or grid."
        ),
    ] = "auto",
    population: Annotated[
        int | None,
        typer.Option("--population", parser=_whole, metavar="N", help="Population of ga and nsga2."),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option("--generations", parser=_whole, metavar="N", help="Its generations; sets the trials."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--setting", metavar="NAME=VALUE", help="Any other setting of the optimizer."),
    ] = None,
    seed: Seed = 0,
    commission: Annotated[
        float, typer.Option("--commission", parser=_number, metavar="X", help="Fraction of each fill.")
    ] = 0.0005,
    slippage: Annotated[
        float,
        typer.Option(
            "--slippage", parser=_number, metavar="X", help="Adverse fraction of the price of market orders."
        ),
    ] = 0.0002,
    fixed_fee: Annotated[
        float, typer.Option("--fixed-fee", parser=_number, metavar="X", help="Cash a fill.")
    ] = 0.0,
    borrow: Annotated[
        float,
        typer.Option("--borrow", parser=_number, metavar="X", help="Fraction of short positions, a year."),
    ] = 0.0,
    cash: Annotated[
        float, typer.Option("--cash", parser=_number, metavar="X", help="Starting cash.")
    ] = 100_000.0,
    fill: Annotated[
        str, typer.Option("--fill", metavar="WHEN", help="next_open, or close of the same bar.")
    ] = "next_open",
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", parser=_whole, metavar="N", help="Cores to use; all by default."),
    ] = None,
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
    export: Annotated[
        list[Path] | None,
        typer.Option("--export", "-e", metavar="FILE", help="Write all trials: .csv, .parquet or .json."),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> int:
    """Search the best parameters of STRATEGY and show how they do on data they were not chosen on."""
    from strategy_optimizer.cli.searching import run_optimize

    options = OptimizeOptions(
        strategy=strategy,
        data=data,
        start=start,
        end=end,
        repair=repair or [],
        optimizer=optimizer,
        evaluations=evaluations,
        time=time,
        target=target,
        patience=patience,
        seed=seed,
        objective=objective,
        require=require or [],
        reference=reference,
        space=space,
        constraint=constraint or [],
        param=param or [],
        population=population,
        generations=generations,
        setting=setting or [],
        commission=commission,
        slippage=slippage,
        fixed_fee=fixed_fee,
        borrow=borrow,
        cash=cash,
        fill=fill,
        holdout=holdout,
        validate=validate,
        require_edge=require_edge,
        workers=workers,
        warm_start=warm_start,
        checkpoint=checkpoint,
        resume=resume,
        export=export or [],
        json=as_json,
        quiet=quiet,
    )
    return run_optimize(options, call=context.obj)


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
            parser=_whole,
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
