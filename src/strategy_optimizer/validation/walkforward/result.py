"""What a walk-forward returns: its windows, the track record they make up, and what that has to beat."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from strategy_optimizer.plain import as_plain, plain_fields
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.walkforward.lengths import Lengths
from strategy_optimizer.validation.walkforward.stability import ParameterStability
from strategy_optimizer.validation.walkforward.track_record import TrackRecord

Choosing: TypeAlias = Literal["recommended", "best"]
CHOOSING: tuple[Choosing, ...] = get_args(Choosing)


@dataclass(frozen=True)
class WindowResult:
    """One window.

    Attributes
    ----------
    number : int
        From 1, in time.
    train, test, stitched : range
        Bars: searched, tested, and of the test those that the stitched track record takes.
    train_dates, test_dates : tuple of str
        Of the first and last bar.
    seed : int
        Of the search.
    trials : int
    parameters : dict or None
        Chosen on the training bars; None where no trial was valid: the account then holds cash.
    score : float
        Of the objective, in sample; NaN where nothing was chosen, and with several objectives.
    in_sample : dict or None
        Metrics on the training bars.
    out_of_sample : dict
        Metrics on the test bars.
    efficiency : float or NotEnough
        Annual return out of sample / in sample; not defined unless the latter is above 0.
    closing_cost : float
        What closing the position that is open at the end of the stitched bars would cost, as a fraction of equity.
    reason : str
        Why it is flat; else empty.
    """

    number: int
    train: range
    test: range
    stitched: range
    train_dates: tuple[str, str]
    test_dates: tuple[str, str]
    seed: int
    trials: int
    parameters: dict[str, Any] | None
    score: float
    in_sample: dict[str, float] | None
    out_of_sample: dict[str, float]
    efficiency: float | NotEnough
    closing_cost: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class WalkForward:
    """The outcome of a walk-forward.

    Attributes
    ----------
    strategy_name, strategy_digest, data_name, data_digest : str
    dates : tuple of str
        First and last of the stitched bars.
    lengths : Lengths
        Of the windows, in bars.
    windows : tuple of WindowResult
    choose : {"recommended", "best"}
        Which parameters of each search are traded.
    planned : int
        Windows that were to be made; more than there are after Ctrl-C.
    out_of_sample : TrackRecord
        The chosen parameters, window after window.
    defaults : TrackRecord or None
        The strategy's default parameters, flat at the start of each window too; None where they fail.
    buy_and_hold : TrackRecord
        Long through all stitched bars.
    efficiency : float or NotEnough
        Annual return of the stitched track record / that of all training windows compounded. It is reported and
        decides nothing.
    stability : tuple of ParameterStability
    default_parameters, optimizer, objective, costs, rules : dict
    seed : int
    seconds : float
    notes : tuple of str
        What the numbers alone might hide.
    """

    strategy_name: str
    strategy_digest: str
    data_name: str
    data_digest: str
    dates: tuple[str, str]
    lengths: Lengths
    windows: tuple[WindowResult, ...]
    choose: Choosing
    planned: int
    out_of_sample: TrackRecord
    defaults: TrackRecord | None
    buy_and_hold: TrackRecord
    efficiency: float | NotEnough
    stability: tuple[ParameterStability, ...]
    default_parameters: dict[str, Any]
    optimizer: dict[str, Any]
    objective: dict[str, Any]
    costs: dict[str, float]
    rules: dict[str, Any]
    seed: int
    seconds: float
    notes: tuple[str, ...] = field(default=())

    @property
    def share_gaining(self) -> float:
        """Windows with a gain on their test bars / windows."""
        return sum(w.out_of_sample["total_return"] > 0 for w in self.windows) / len(self.windows)

    @property
    def trials(self) -> int:
        """Of all windows."""
        return sum(window.trials for window in self.windows)

    @property
    def complete(self) -> bool:
        """Whether all windows are there; Ctrl-C leaves those that were done."""
        return len(self.windows) == self.planned

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; ranges are [start, stop), a statistic without a number is ``{"not_enough": text}``."""
        return plain_fields(self) | {
            "share_gaining": self.share_gaining,
            "trials": self.trials,
            "complete": self.complete,
            "returns": as_plain(self.out_of_sample.returns),
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """Return `to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def export(self, path: str | Path) -> Path:
        """Write one row a window to a .csv, .parquet or .json file; the file appears whole or not at all.

        Raises
        ------
        TaskError
            Unknown ending, or the file cannot be written.
        """
        from strategy_optimizer.tasks.export import write_table  # Polars, only when used
        from strategy_optimizer.validation.walkforward.table import windows_frame

        return write_table(windows_frame(self.windows), path, "windows")
