"""What was typed after a command, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self


@dataclass(frozen=True)
class SearchOptions:
    """What every command that searches shares; names as in the options."""

    strategy: str
    data: list[str]
    start: str | None
    end: str | None
    repair: list[str]
    optimizer: str
    evaluations: int | None
    target: float | None
    patience: int | Literal["auto"] | None
    seed: int
    objective: str | None
    require: list[str]
    reference: str | None
    space: Path | None
    constraint: list[str]
    param: list[str]
    population: int | None
    generations: int | None
    setting: list[str]
    commission: float
    slippage: float
    fixed_fee: float
    borrow: float
    cash: float
    fill: str
    workers: int | None
    ledger: bool
    export: list[Path]
    json: bool
    quiet: bool

    @classmethod
    def of(cls, typed: Mapping[str, Any]) -> Self:
        """Return the options among a command's arguments; a list that was not given is empty."""
        values = {**typed, "json": typed["as_json"]}
        return cls(
            **{
                item.name: [] if values[item.name] is None and "list" in str(item.type) else values[item.name]
                for item in fields(cls)
            }
        )


@dataclass(frozen=True)
class OptimizeOptions(SearchOptions):
    """The options of `optimize`."""

    time: str | None
    holdout: float
    validate: bool
    require_edge: bool
    warm_start: Path | None
    report: Path | None
    checkpoint: Path | None
    resume: bool


@dataclass(frozen=True)
class WalkForwardOptions(SearchOptions):
    """The options of `walk-forward`."""

    train: str
    test: str
    step: str | None
    purge: str
    anchored: bool
    choose: Any
    matrix: bool
    checkpoint: Path | None
    resume: bool


@dataclass(frozen=True)
class ReportOptions:
    """The options of `report`; names as in the options."""

    result: Path
    out: Path
    trials: Path | None
    strategy: str | None
    data: list[str]
    repair: list[str]
    walk_forward: bool
    quiet: bool
