"""What may be typed after a command that searches: each field is an option, with its help and its default.

A command that `takes` such a class has these options and gets them as one value; what several commands share stands
in a class that theirs inherit. Only Typer is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, TypeVar, get_type_hints

import typer

from strategy_optimizer.cli import option_types
from strategy_optimizer.cli.option_types import (
    AsJson,
    Borrow,
    Cash,
    Columns,
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
    WithLedger,
    Workers,
)

SAMPLE = "nasdaq"
T = TypeVar("T")


class DataOptions(Protocol):
    """The options of a command that say which data are meant."""

    @property
    def data(self) -> Sequence[str]:
        """Names, files or folders; several are one symbol each."""

    @property
    def start(self) -> str | None:
        """The first date."""

    @property
    def end(self) -> str | None:
        """The last date."""

    @property
    def columns(self) -> Sequence[str]:
        """Which column of a file is what."""

    @property
    def repair(self) -> Sequence[str]:
        """What may be mended."""


class DataChoice(NamedTuple):
    """Which data are meant, where a command takes few other options."""

    data: Sequence[str]
    start: str | None
    end: str | None
    columns: Sequence[str]
    repair: Sequence[str]


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
        typer.Option("--checkpoint", metavar="DIR", help="Keep the search here, also when it is done."),
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
class StrategyOptions(SearchOptions):
    """What the commands share that search a strategy on bars."""

    strategy: StrategyName
    data: Data = field(default_factory=lambda: [SAMPLE])
    start: From = None
    end: To = None
    columns: Columns = field(default_factory=list)
    repair: Repair = field(default_factory=list)
    population: Population = None
    generations: Generations = None
    commission: Commission = 0.0005
    slippage: Slippage = 0.0002
    fixed_fee: FixedFee = 0.0
    borrow: Borrow = 0.0
    cash: Cash = 100_000.0
    fill: Fill = "next_open"


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
        "reference", "require", "holdout", "validate", "require_edge", "executor", "workers", "ray_address",
        "trial_time", "trial_memory", "memory", "lookahead", "cache", "optimizer", "setting", "seed",
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
        typer.Option("--checkpoint", metavar="DIR", help="Keep each window here as soon as it is done."),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted walk-forward from its --checkpoint.")
    ] = False
    export: Annotated[list[Path], option_types.export("the windows")] = field(default_factory=list)


@dataclass(frozen=True)
class ReportOptions:
    """The options of `report`; names as in the options."""

    result: Path
    out: Path
    trials: Path | None
    strategy: str | None
    data: list[str]
    columns: list[str]
    repair: list[str]
    walk_forward: bool
    quiet: bool


def takes(
    options: type[T],
) -> Callable[[Callable[[T, Sequence[str]], int]], Callable[..., int]]:
    """Give a command the fields of `options` as its options; it is called with them, and with what was typed."""

    def wrap(run: Callable[[T, Sequence[str]], int]) -> Callable[..., int]:
        @wraps(run)
        def command(context: typer.Context, **typed: Any) -> int:
            return run(options(**typed), context.obj)

        parameters = [
            Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
            *_parameters(options),
        ]
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        del command.__wrapped__
        return command

    return wrap


def _parameters(options: type) -> list[Parameter]:
    """Return the fields of the options as parameters, in the order of the help."""
    hints = get_type_hints(options, include_extras=True)
    declared = {each.name: each for each in fields(options)}
    first: tuple[str, ...] = options.first  # type: ignore[attr-defined]
    order = [*first, *(name for name in declared if name not in first)]
    return [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_default(declared[name]), annotation=hints[name])
        for name in order
    ]


def _default(option: Any) -> Any:
    """Return the default of a field; a list of its own, which Typer copies."""
    if callable(option.default_factory):
        return option.default_factory()
    return Parameter.empty if option.default is MISSING else option.default
