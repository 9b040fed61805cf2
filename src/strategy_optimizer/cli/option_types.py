"""The options that several commands share, each defined once; only Typer is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def whole(example: int) -> Callable[[str], int]:
    """Return what reads a whole number, and names `example` where there is none."""

    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise typer.BadParameter(f"'{text}' is not a whole number, such as {example}") from None

    return read


def whole_or_auto(text: str) -> Any:
    """Return a whole number, or ``auto`` as it stands."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a whole number, such as 500, or auto") from None


def number(text: str) -> float:
    """Return a number."""
    try:
        return float(text)
    except ValueError:
        hint = "; it is a fraction, 5 % is 0.05" if text.endswith("%") else ", such as 0.05"
        raise typer.BadParameter(f"'{text}' is not a number{hint}") from None


def folder(text: str) -> Path:
    """Return a folder; not the working directory for an empty variable of a shell."""
    if not text:
        raise typer.BadParameter("the name of the folder is empty; '.' is the working directory")
    return Path(text)


def evaluations(text: str) -> Any:
    """Return the option for the number of trials, with a help text of its own."""
    return typer.Option("--evaluations", "-n", parser=whole(2000), metavar="N", help=text)


def export(what: str) -> Any:
    """Return the option that writes files of `what`."""
    return typer.Option("--export", "-e", metavar="FILE", help=f"Write {what}: .csv, .parquet or .json.")


StrategyName = Annotated[
    str,
    typer.Argument(metavar="STRATEGY", help="A built-in name, my_strategy.py, or package.module:Class."),
]
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
Holdout = Annotated[
    float,
    typer.Option(
        "--holdout",
        parser=number,
        metavar="SHARE",
        help="Share of the bars, the last, kept out of the search.",
    ),
]
Repair = Annotated[
    list[str],
    typer.Option(
        "--repair", metavar="WHAT", help="What may be mended in the data, such as sort or drop_nan."
    ),
]
Columns = Annotated[
    list[str],
    typer.Option(
        "--columns",
        metavar="ROLE=NAME,...",
        help="Which column of the file is what, where that cannot be guessed: close=Schluss,open=Eroeffnung. "
        "Roles: timestamp, open, high, low, close, volume, symbol; format=%d/%m/%Y for the timestamps.",
    ),
]
Param = Annotated[
    list[str], typer.Option("--param", "-p", metavar="NAME=VALUE", help="Hold a parameter fixed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on stdout.")]
Seed = Annotated[
    int, typer.Option("--seed", "-s", parser=whole(7), metavar="N", help="Same seed, same search.")
]
Target = Annotated[
    float | None, typer.Option("--target", parser=number, metavar="SCORE", help="Stop at this score.")
]
Patience = Annotated[
    Any,
    typer.Option(
        "--patience",
        parser=whole_or_auto,
        metavar="N",
        help="Stop after N trials without a better one; auto: when the latest of many trials brought next to nothing.",
    ),
]
ObjectiveText = Annotated[
    str | None,
    typer.Option(
        "--objective",
        "-o",
        metavar="WHAT",
        help="A metric, weights (sharpe_ratio:0.7,win_rate:0.3), several metrics for the trade-offs between "
        "them (sharpe_ratio,max_drawdown) or a JSON file. [default: sharpe_ratio]",
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        metavar="WANTED",
        help="Of several metrics: take the trade-off closest to sharpe_ratio:1,max_drawdown:0.2 instead "
        "of the knee.",
    ),
]
Require = Annotated[
    list[str],
    typer.Option("--require", "-r", metavar="EXPR", help="What a winner must have: 'trades >= 30'."),
]
SpaceFile = Annotated[
    Path | None,
    typer.Option(
        "--space", metavar="FILE", help="JSON file with other bounds, see `strategies NAME --json`."
    ),
]
Constraint = Annotated[
    list[str],
    typer.Option("--constraint", "-c", metavar="EXPR", help="Between parameters: 'fast < slow'."),
]
OptimizerName = Annotated[
    str,
    typer.Option(
        "--optimizer", metavar="NAME", help="auto, bo, hybrid, ensemble, ga, nsga2, random or grid."
    ),
]
Population = Annotated[
    int | None,
    typer.Option("--population", parser=whole(50), metavar="N", help="Population of ga and nsga2."),
]
Generations = Annotated[
    int | None,
    typer.Option(
        "--generations",
        parser=whole(20),
        metavar="N",
        help="Its generations; with --population they set the trials.",
    ),
]
Setting = Annotated[
    list[str],
    typer.Option(
        "--setting", metavar="NAME=VALUE", help="Any other setting of the optimizer; a list is JSON."
    ),
]
Commission = Annotated[
    float, typer.Option("--commission", parser=number, metavar="X", help="Fraction of each fill.")
]
Slippage = Annotated[
    float,
    typer.Option(
        "--slippage", parser=number, metavar="X", help="Adverse fraction of the price of market orders."
    ),
]
FixedFee = Annotated[float, typer.Option("--fixed-fee", parser=number, metavar="X", help="Cash a fill.")]
Borrow = Annotated[
    float,
    typer.Option("--borrow", parser=number, metavar="X", help="Fraction of short positions, a year."),
]
Cash = Annotated[float, typer.Option("--cash", parser=number, metavar="X", help="Starting cash.")]
Fill = Annotated[str, typer.Option("--fill", metavar="WHEN", help="next_open, or close of the same bar.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", parser=whole(4), metavar="N", help="Cores to use; all by default."),
]
WithLedger = Annotated[
    bool,
    typer.Option(
        "--ledger/--no-ledger",
        help="Count earlier searches on these data, and be counted by later ones; see `ledger`.",
    ),
]
Trials = Annotated[
    Path | None,
    typer.Option(
        "--trials",
        metavar="FILE",
        help="What --export wrote of the same search: needed with more than 10,000 trials.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
