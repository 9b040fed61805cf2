"""Whether trials are worth a thought: what a trial costs against what it costs to choose one well."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray

# Of a trial that a model chooses, by the number of objectives, as measured on one core; four take as long as more.
THINKING_SECONDS = (5e-3, 1e-2, 5e-2, 0.15)
UNKNOWN_SECONDS = 1e-2  # what a trial is taken to last where no seconds were told
# Trials that take less than so many thoughts do: how many of them a model chooses, however quick they are.
THOUGHTS = ((0.6, 200), (2.0, 400))
# Planned trials of these from which none is worth a thought: a population finds as much alone.
LONG_BUDGET = 1_000


class CostPolicy:
    """Chooses between an algorithm that thinks about each trial and one that breeds them by the hundred.

    Parameters
    ----------
    thinking, breeding : str
        What the two are called.
    budget : int
        Planned trials.
    first_review : int
        Told trials at which the choice is made for the first time.
    trial_seconds : float, optional
        What a trial takes. None: the median of the told seconds.
    parallel : int
        Trials that run at once: each then costs that much less time.
    n_objectives : int

    Attributes
    ----------
    chosen : str or None
        One of the two names; None before the first review.
    reason : str
        Why, in one sentence.
    """

    def __init__(
        self,
        thinking: str,
        breeding: str,
        *,
        budget: int,
        first_review: int,
        trial_seconds: float | None = None,
        parallel: int = 1,
        n_objectives: int = 1,
    ) -> None:
        self.thinking = thinking
        self.breeding = breeding
        self.chosen: str | None = None
        self.reason = f"auto tries {first_review} points first, to see what a trial costs"
        self._budget = budget
        self._trial_seconds = trial_seconds
        self._parallel = parallel
        self._thinking_seconds = THINKING_SECONDS[min(n_objectives, len(THINKING_SECONDS)) - 1]
        self._review_at = first_review

    @property
    def breeds(self) -> bool:
        """Whether trials are bred by the hundred."""
        return self.chosen == self.breeding

    def is_due(self, n_told: int) -> bool:
        """Return whether the choice is to be looked at again after so many told trials."""
        return n_told >= self._review_at

    def review(self, n_told: int, seconds: FloatArray) -> None:
        """Choose anew, by the told seconds (n,) of the trials; the next time is when the trials have doubled."""
        each = usual_seconds(seconds, self._trial_seconds) / self._parallel
        most = thoughts(each / self._thinking_seconds, self._budget)
        worth_it = most is None or n_told < most
        self.chosen = self.thinking if worth_it else self.breeding
        self.reason = f"auto chose {self.chosen}: {self._cause(each, most, worth_it)}"
        ahead = [most] if most and most > n_told else []
        self._review_at = min([2 * n_told, *ahead])

    def _cause(self, seconds: float, most: int | None, worth_it: bool) -> str:
        at_once = f" of time with {self._parallel} at once" if self._parallel > 1 else ""
        thinking = as_time(self._thinking_seconds)
        costs = f"a trial takes {as_time(seconds)}{at_once} and choosing one {thinking}"
        if most is None:
            return f"{costs}, so each is worth a thought"
        if worth_it:
            return f"{costs}, so only the first {most:,} are worth a thought"
        return f"{costs}, so trials are bred by the hundred instead"

    def save(self) -> dict[str, Any]:
        """Return what must be remembered, as JSON values."""
        return {"chosen": self.chosen, "reason": self.reason, "review_at": self._review_at}

    def load(self, data: dict[str, Any]) -> None:
        """Take back what :meth:`save` returned."""
        self.chosen, self.reason = data["chosen"], str(data["reason"])
        self._review_at = int(data["review_at"])


def thoughts(cost: float, budget: int) -> int | None:
    """Return how many trials a model is to choose that take as long as `cost` thoughts; None: all of them.

    A step function, so that the same search on another machine most often makes the same choices. Where less than as
    many again would be left, a population would get nowhere with them: the model chooses them too. Where a thousand are
    planned, it gets as far without any: decisions/004.

    >>> thoughts(0.002, 900), thoughts(0.002, 400), thoughts(0.002, 10_000), thoughts(12_000.0, 2000)
    (200, None, 0, None)
    """
    most = next((n for below, n in THOUGHTS if cost < below), None)
    if most is None or budget <= 2 * most:
        return None
    return most if budget < LONG_BUDGET else 0


def usual_seconds(told: FloatArray, pinned: float | None) -> float:
    """Return what a trial takes: `pinned` if it is given, else the median of the told seconds (n,) that are finite."""
    if pinned is not None:
        return pinned
    known = told[np.isfinite(told)]
    return float(np.median(known)) if len(known) else UNKNOWN_SECONDS


def as_time(seconds: float) -> str:
    """Return seconds with two digits and a unit that suits them.

    >>> as_time(0.000012), as_time(0.25), as_time(90.0)
    ('12 us', '250 ms', '90 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{float(f'{seconds / size:.2g}'):,g} {unit}"
    return f"{float(f'{seconds / 1e-6:.2g}'):g} us"
