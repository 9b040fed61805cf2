"""What may be typed after a command that searches, see `taking`. Only Typer is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from strategy_optimizer.cli import option_types
from strategy_optimizer.cli.backtest_options import BarsOptions, TradingOptions
from strategy_optimizer.cli.option_types import (
    AsJson,
    Constraint,
    Generations,
    Holdout,
    ObjectiveText,
    OptimizerName,
    Param,
    Patience,
    Population,
    Quiet,
    Reference,
    Require,
    Seed,
    Setting,
    SpaceFile,
    StrategyName,
    Target,
    WithLedger,
    Workers,
)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What every command that searches shares."""

    first: ClassVar[tuple[str, ...]] = ()
    """The options that stand first in the help, in this order."""

    evaluations: Annotated[int | None, option_types.evaluations("How many trials.")] = None
    target: Target = None
    patience: Patience = None
    objective: ObjectiveText = None
    reference: Reference = None
    require: Require = field(default_factory=list)
    space: SpaceFile = None
    constraint: Constraint = field(default_factory=list)
    param: Param = field(default_factory=list)
    optimizer: OptimizerName = "auto"
    setting: Setting = field(default_factory=list)
    seed: Seed = 0
    workers: Workers = None
    ledger: WithLedger = True
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            parser=option_types.folder,
            metavar="DIR",
            help="Keep the search here, also when it is done.",
        ),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted search.")] = False
    export: Annotated[list[Path], option_types.export("all trials")] = field(default_factory=list)
    json: AsJson = False
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class OneSearchOptions(SearchOptions):
    """What the commands share that make one search and judge its winner."""

    time: Annotated[
        str | None, typer.Option("--time", "-t", metavar="T", help="How long to search: 30s, 5m, 1h30m.")
    ] = None
    holdout: Holdout = 0.25
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate", help="Say whether the winner can be believed, from all trials."
        ),
    ] = True
    require_edge: Annotated[
        bool, typer.Option("--require-edge", help="End with exit code 3 unless the verdict is deploy.")
    ] = False
    warm_start: Annotated[
        Path | None,
        typer.Option(
            "--warm-start",
            metavar="FILE",
            help="Try the best trials of an earlier --export first, on these data.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StrategyOptions(BarsOptions, TradingOptions, SearchOptions):
    """What the commands share that search a strategy on bars."""

    strategy: StrategyName
    population: Population = None
    generations: Generations = None


@dataclass(frozen=True, kw_only=True)
class OptimizeOptions(StrategyOptions, OneSearchOptions):
    """The options of `optimize`."""

    first = (
        "strategy", "data", "start", "end", "columns", "repair", "evaluations", "time", "target", "patience",
        "objective", "reference", "require", "holdout", "validate", "require_edge", "space", "constraint", "param",
        "optimizer", "population", "generations", "setting", "seed", "commission", "slippage", "fixed_fee", "borrow",
        "cash", "fill", "workers", "ledger", "warm_start", "checkpoint", "resume", "export", "report",
    )  # fmt: skip

    evaluations: Annotated[
        int | None, option_types.evaluations("How many trials; 2000 if no --time is given.")
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write a report: one page with verdict, equity, robustness, walk-forward and surfaces.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class EngineOptions(OneSearchOptions):
    """The options of `optimize-engine`."""

    first = (
        "engine", "space", "constraint", "param", "evaluations", "time", "target", "patience", "objective",
        "reference", "require", "folds", "prune", "holdout", "validate", "require_edge", "executor", "workers",
        "ray_address", "trial_time", "trial_memory", "memory", "lookahead", "cache", "optimizer", "setting", "seed",
    )  # fmt: skip

    engine: Annotated[
        str,
        typer.Argument(
            metavar="ENGINE",
            help="my_engine.py, a name in it (my_engine.py:run), or package.module:name: an Engine, or a function "
            "that takes a dict of parameters and returns a dict of metrics.",
        ),
    ]
    evaluations: Annotated[
        int | None, option_types.evaluations("How many trials; 200 if no --time is given.")
    ] = None
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            parser=option_types.whole(8),
            metavar="N",
            help="ENGINE is a function of (parameters, fold), fold from 0 to N-1: years, windows or symbols. The score "
            "is the mean over all folds.",
        ),
    ] = None
    prune: Annotated[
        str,
        typer.Option(
            "--prune",
            metavar="CHANCE|off",
            help="Where trials have folds: stop a trial after some of them when its chance to end above the best one "
            "is below this. 0.003 stops fewer and errs less, 0.03 saves more; off runs all folds. The result says "
            "what time was saved.",
        ),
    ] = "0.01"
    executor: Annotated[
        str,
        typer.Option("--executor", metavar="NAME", help="processes, serial (in this process) or ray."),
    ] = "processes"
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", metavar="ADDRESS", help="A Ray cluster to join; needs --executor ray."),
    ] = None
    trial_time: Annotated[
        str | None, typer.Option("--trial-time", metavar="T", help="How long one trial may take: 60s, 10m.")
    ] = None
    trial_memory: Annotated[
        str | None,
        typer.Option("--trial-memory", metavar="SIZE", help="Memory of one trial. [default: 4G]"),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            "--memory", metavar="SIZE", help="Memory of all trials together. Near it fewer run. [default: 4G]"
        ),
    ] = None
    lookahead: Annotated[
        str,
        typer.Option(
            "--lookahead",
            metavar="N|free",
            help="Trials in flight that do not know each other; the search is the same for any number of workers. "
            "free: each knows all that have ended.",
        ),
    ] = "8"
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Take trials that are known already; see `cache`.")
    ] = True


@dataclass(frozen=True, kw_only=True)
class WalkForwardOptions(StrategyOptions):
    """The options of `walk-forward`."""

    first = (
        "strategy", "data", "start", "end", "columns", "repair", "train", "test", "step", "purge", "anchored", "choose",
        "matrix", "evaluations", "target", "patience", "objective", "reference", "require", "space", "constraint",
        "param", "optimizer", "population", "generations", "setting", "seed", "commission", "slippage", "fixed_fee",
        "borrow", "cash", "fill",
    )  # fmt: skip

    train: Annotated[
        str,
        typer.Option(
            "--train",
            metavar="LENGTH",
            help="Each search sees this much of the past: 3y, 18m, 26w, 90d, or 500 for bars.",
        ),
    ] = "3y"
    test: Annotated[
        str,
        typer.Option("--test", metavar="LENGTH", help="What it chose is traded on so much of what follows."),
    ] = "6m"
    step: Annotated[
        str | None,
        typer.Option(
            "--step", metavar="LENGTH", help="From one test to the next. [default: as long as a test]"
        ),
    ] = None
    purge: Annotated[
        str,
        typer.Option("--purge", metavar="LENGTH", help="Left out between the past and its test."),
    ] = "0"
    anchored: Annotated[
        bool, typer.Option("--anchored", help="The past always begins at the first bar, and grows.")
    ] = False
    choose: Annotated[
        str,
        typer.Option(
            "--choose",
            metavar="WHICH",
            help="Trade the recommended parameters of each search, or its best ones: recommended | best.",
        ),
    ] = "recommended"
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix", help="Compare all pairs of --train 1y,3y and --test 3m,6m: how often is best?"
        ),
    ] = False
    evaluations: Annotated[int | None, option_types.evaluations("Trials in each window. [default: 2000]")] = (
        None
    )
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            parser=option_types.folder,
            metavar="DIR",
            help="Keep each window here as soon as it is done.",
        ),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted walk-forward from its --checkpoint.")
    ] = False
    export: Annotated[list[Path], option_types.export("the windows")] = field(default_factory=list)
