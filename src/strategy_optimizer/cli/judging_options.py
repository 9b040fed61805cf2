"""What may be typed after a command that searches nothing, see `taking`. Only Typer is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from strategy_optimizer.cli.backtest_options import BarsOptions, TradingOptions
from strategy_optimizer.cli.option_types import (
    AsJson,
    Columns,
    Holdout,
    Param,
    Quiet,
    Repair,
    Seed,
    StrategyName,
    Trials,
    Workers,
    whole,
)

ResultFile = Annotated[
    Path, typer.Argument(metavar="RESULT.json", help="What `optimize --json` wrote.", show_default=False)
]


@dataclass(frozen=True, kw_only=True)
class AnalyseOptions:
    """The options of `analyse`."""

    first: ClassVar[tuple[str, ...]] = ()

    result: ResultFile
    at: Annotated[
        list[str],
        typer.Option(
            "--at",
            metavar="NAME=VALUE,...",
            help="Predict these parameters; those left out are the winner's. Several times.",
        ),
    ] = field(default_factory=list)
    compare: Annotated[
        list[Path],
        typer.Option(
            "--compare",
            metavar="FILE",
            help="Another result. Several of one problem, with other optimizers and seeds, are tested in pairs.",
        ),
    ] = field(default_factory=list)
    trials: Trials = None
    seed: Seed = 0
    json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(BarsOptions, TradingOptions):
    """The options of `validate`."""

    first: ClassVar[tuple[str, ...]] = (
        "strategy", "data", "start", "end", "columns", "repair", "param", "result", "commission", "slippage",
        "fixed_fee", "borrow", "cash", "fill",
    )  # fmt: skip

    strategy: StrategyName
    param: Param = field(default_factory=list)
    result: Annotated[
        Path | None,
        typer.Option(
            "--result",
            metavar="FILE",
            help="Take the recommended parameters of this result, written by `optimize --json`.",
        ),
    ] = None
    replications: Annotated[
        int,
        typer.Option(
            "--replications", parser=whole(100), metavar="N", help="Backtests on each kind of changed market."
        ),
    ] = 100
    seed: Seed = 0
    workers: Workers = None
    json: AsJson = False
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """The options of `report`."""

    first: ClassVar[tuple[str, ...]] = ()

    result: ResultFile
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE.html", help="The page; an existing one is replaced.", show_default=False
        ),
    ]
    trials: Trials = None
    strategy: Annotated[
        str | None,
        typer.Option(
            "--strategy",
            metavar="NAME|FILE",
            help="The strategy, where it is not found by the name in the result.",
        ),
    ] = None
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            "-d",
            metavar="NAME|FILE",
            help="The data, where they are no sample; of them the result's period is taken. As for `optimize`.",
        ),
    ] = field(default_factory=list)
    columns: Columns = field(default_factory=list)
    repair: Repair = field(default_factory=list)
    walk_forward: Annotated[
        bool,
        typer.Option(
            "--walk-forward/--no-walk-forward",
            help="Search again in six windows of the searched bars, where that takes less than about 20 seconds.",
        ),
    ] = True
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class CheckOptions(BarsOptions):
    """The options of `check`."""

    first: ClassVar[tuple[str, ...]] = ("strategy",)

    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY|-", help="As for `optimize`; - checks the data only.")
    ]
    param: Param = field(default_factory=list)
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates",
            parser=whole(5),
            metavar="N",
            help="Parameter sets to test: the defaults, then random.",
        ),
    ] = 5
    seed: Seed = 0
    json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class LedgerOptions(BarsOptions):
    """The options of `ledger`."""

    first: ClassVar[tuple[str, ...]] = ()

    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            "-d",
            metavar="NAME|FILE",
            help="Only what would count for a search of these data; as for `optimize`.",
        ),
    ] = field(default_factory=list)
    holdout: Holdout = 0.25
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove what is shown; later searches do not count it any more.")
    ] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a reset.")] = False
    json: AsJson = False
