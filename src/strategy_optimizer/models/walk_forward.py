"""The result of a walk-forward, and of a matrix of them."""

from __future__ import annotations

from typing import Any, Self

from strategy_optimizer.models.base import Model, Number, Value
from strategy_optimizer.models.result import PerformanceModel
from strategy_optimizer.validation.walkforward import Choosing, WalkForward, WalkForwardMatrix


class NotEnoughModel(Model):
    """In the place of a statistic: why there is no number."""

    not_enough: str


class LengthsModel(Model):
    """The windows in bars."""

    train: int
    test: int
    step: int
    purge: int
    anchored: bool


class TrackRecordModel(Model):
    """One account on all stitched bars."""

    metrics: PerformanceModel
    psr_h0: float | NotEnoughModel
    psr_2012: float | NotEnoughModel
    t_statistic: float | NotEnoughModel


class WindowModel(Model):
    """One window; bars are [start, stop). Without parameters it held cash, for `reason`."""

    number: int
    train: tuple[int, int]
    test: tuple[int, int]
    stitched: tuple[int, int]
    train_dates: tuple[str, str]
    test_dates: tuple[str, str]
    seed: int
    trials: int
    parameters: dict[str, Value] | None
    score: Number
    in_sample: PerformanceModel | None
    out_of_sample: PerformanceModel
    efficiency: float | NotEnoughModel
    closing_cost: float
    reason: str


class StabilityModel(Model):
    """One parameter through the windows."""

    name: str
    values: tuple[Value | None, ...]
    spread: Number
    changes: int


class _AboutModel(Model):
    """What was run."""

    strategy_name: str
    strategy_digest: str
    data_name: str
    data_digest: str
    dates: tuple[str, str]
    choose: Choosing
    planned: int
    buy_and_hold: TrackRecordModel
    optimizer: dict[str, Any]
    objective: dict[str, Any]
    costs: dict[str, float]
    rules: dict[str, Any]
    seed: int
    trials: int
    seconds: float


class WalkForwardModel(_AboutModel):
    """The JSON of `walk-forward`; ``returns`` are those of the stitched bars, one a bar."""

    lengths: LengthsModel
    windows: tuple[WindowModel, ...]
    complete: bool
    share_gaining: float
    out_of_sample: TrackRecordModel
    returns: tuple[float, ...]
    defaults: TrackRecordModel | None
    default_parameters: dict[str, Value]
    efficiency: float | NotEnoughModel
    stability: tuple[StabilityModel, ...]
    notes: tuple[str, ...]

    @classmethod
    def from_result(cls, found: WalkForward) -> Self:
        """Return the model of a walk-forward."""
        return cls.model_validate(found.to_dict())


class MatrixCellModel(Model):
    """One pair of lengths; ``train`` and ``test`` as they were given, ``windows`` how many there are."""

    train: str
    test: str
    lengths: LengthsModel
    windows: int
    share_gaining: float
    out_of_sample: TrackRecordModel
    defaults: TrackRecordModel | None
    efficiency: float | NotEnoughModel


class WalkForwardMatrixModel(_AboutModel):
    """The JSON of ``walk-forward --matrix``; ``best`` is the index of a cell."""

    cells: tuple[MatrixCellModel, ...]
    best: int | None
    deflated: float | NotEnoughModel
    recommendation: str
    caveats: tuple[str, ...]

    @classmethod
    def from_result(cls, found: WalkForwardMatrix) -> Self:
        """Return the model of a matrix."""
        return cls.model_validate(found.to_dict())
