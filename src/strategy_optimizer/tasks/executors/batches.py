"""How many runs go to a worker at once: enough that sending costs little, few enough that nobody waits for them."""

from __future__ import annotations

MOST = 256
"""Runs in one batch, however short they are."""


class BatchSizes:
    """Sizes of batches, from the time that runs took so far.

    Parameters
    ----------
    seconds : float
        What a batch should take. Sending one costs a worker some 2 ms.

    Examples
    --------
    >>> sizes = BatchSizes(0.02)
    >>> sizes.size(waiting=1000, places=4)  # nothing is known yet
    1
    >>> sizes.measure(100, 0.1)
    >>> sizes.size(waiting=1000, places=4), sizes.size(waiting=12, places=4)
    (20, 3)
    """

    def __init__(self, seconds: float) -> None:
        self._target = seconds
        self._mean: float | None = None

    def measure(self, runs: int, seconds: float) -> None:
        """Learn that `runs` took `seconds` together."""
        mean = seconds / runs
        if self._mean is None or mean > 2 * self._mean:
            self._mean = (
                mean  # a long run is met at once: batches that are too short cost less than too long ones
            )
        else:
            weight = min(0.5, 0.1 * runs**0.5)
            self._mean += weight * (mean - self._mean)

    @property
    def run_seconds(self) -> float | None:
        """What one run takes; None while nothing is known."""
        return self._mean

    @property
    def largest(self) -> int:
        """Runs in a batch while plenty wait."""
        if self._mean is None:
            return 1
        return max(1, min(MOST, round(self._target / max(self._mean, 1e-9))))

    def size(self, waiting: int, places: int) -> int:
        """Return the size of the next batch.

        Parameters
        ----------
        waiting : int
            Runs that are to be sent.
        places : int
            Batches that the workers have room for, this one included: each gets its share of what waits.
        """
        return max(1, min(self.largest, -(-waiting // places)))
