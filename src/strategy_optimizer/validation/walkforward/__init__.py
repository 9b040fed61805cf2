"""Walk-forward: selection in time, and how often to select again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "lengths": (
        "Length",
        "Lengths",
    ),
    "matrix": (
        "MatrixCell",
        "WalkForwardMatrix",
        "walk_forward_matrix",
    ),
    "progress": ("WindowsProgress",),
    "result": (
        "Choosing",
        "WalkForward",
        "WindowResult",
    ),
    "stability": ("ParameterStability",),
    "track_record": ("TrackRecord",),
    "walk": ("walk_forward",),
}

if TYPE_CHECKING:
    from strategy_optimizer.validation.walkforward.lengths import Length, Lengths
    from strategy_optimizer.validation.walkforward.matrix import (
        MatrixCell,
        WalkForwardMatrix,
        walk_forward_matrix,
    )
    from strategy_optimizer.validation.walkforward.progress import WindowsProgress
    from strategy_optimizer.validation.walkforward.result import Choosing, WalkForward, WindowResult
    from strategy_optimizer.validation.walkforward.stability import ParameterStability
    from strategy_optimizer.validation.walkforward.track_record import TrackRecord
    from strategy_optimizer.validation.walkforward.walk import walk_forward

__all__ = [
    "Choosing",
    "Length",
    "Lengths",
    "MatrixCell",
    "ParameterStability",
    "TrackRecord",
    "WalkForward",
    "WalkForwardMatrix",
    "WindowResult",
    "WindowsProgress",
    "walk_forward",
    "walk_forward_matrix",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
