"""When a search ends: after so many trials, seconds, a target score, or trials without a better one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from strategy_optimizer.errors import TaskError

DEFAULT_EVALUATIONS = 2_000
"""Trials of a task that says neither how many nor how long."""
DEFAULT_ENGINE_EVALUATIONS = 200
"""The same of an engine: a tenth of our own engine's, which is ten thousand times as fast."""


@dataclass(frozen=True)
class Budget:
    """The limits of a search; whichever is met first ends it.

    Parameters
    ----------
    evaluations : int, optional
        Trials, failed ones included.
    seconds : float, optional
        Wall time, earlier sessions of a resumed search included. Looked at between groups of trials, so that
        it is passed by a fraction of a second.
    target : float, optional
        A score that is good enough. Like `patience` it is looked at after each batch of the optimizer (and
        after the last trial), so that a search ends with the same trial on every machine.
    patience : int or "auto", optional
        Trials in a row without a better score. ``"auto"``: when the optimizer says why more search is not worth it,
        see :attr:`Optimizer.converged`.

    Examples
    --------
    >>> Budget(evaluations=2000, seconds=60.0).evaluations
    2000
    >>> Budget(seconds=-1)
    Traceback (most recent call last):
        ...
    strategy_optimizer.errors.TaskError: seconds is -1; expected a number above 0
    """

    evaluations: int | None = None
    seconds: float | None = None
    target: float | None = None
    patience: int | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        check_count("evaluations", self.evaluations)
        if self.patience != "auto":
            check_count("patience", self.patience, " or auto")
        if self.seconds is not None and not _is_number(self.seconds, above=0.0):
            raise TaskError(f"seconds is {self.seconds!r}; expected a number above 0")
        if self.target is not None and not _is_number(self.target):
            raise TaskError(f"target is {self.target!r}; expected a number")


def check_count(name: str, value: Any, other: str = "") -> None:
    """Refuse anything but None and whole numbers from 1 up; `name` is what the caller calls it."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise TaskError(f"{name} is {value!r}; expected a whole number from 1 up{other}")


def _is_number(value: Any, above: float = -math.inf) -> bool:
    is_real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_real and math.isfinite(value) and value > above
