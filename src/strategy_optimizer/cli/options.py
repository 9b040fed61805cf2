"""The options of `optimize` as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OptimizeOptions:
    """What was typed after ``optimize``; names as in the options."""

    strategy: str
    data: list[str]
    start: str | None
    end: str | None
    repair: list[str]
    optimizer: str
    evaluations: int | None
    time: str | None
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
    holdout: float
    validate: bool
    require_edge: bool
    workers: int | None
    warm_start: Path | None
    checkpoint: Path | None
    resume: bool
    export: list[Path]
    json: bool
    quiet: bool
