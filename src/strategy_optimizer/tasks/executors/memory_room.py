"""A ceiling for the memory of all workers: how many runs may be begun at once below it."""

from __future__ import annotations

from collections.abc import Sequence

from strategy_optimizer.tasks.executors.worker_process import WorkerProcess

LOOK = 0.1
"""Seconds between two looks at the workers' memory."""
NEAR = 0.9
"""Share of the ceiling that is planned for."""
FORGETS = 0.98
"""What is left of the largest run's memory in mind after another, smaller one."""


class MemoryRoom:
    """Plans with the most that a run used so far.

    Parameters
    ----------
    ceiling : int or None
        Bytes for all workers together; None is no ceiling.
    """

    def __init__(self, ceiling: int | None) -> None:
        self.ceiling = ceiling
        self._of_a_run = 0.0

    @property
    def is_unlimited(self) -> bool:
        """Whether there is no ceiling."""
        return self.ceiling is None

    def patience(self, seconds: float | None) -> float | None:
        """Return how long the pool may sleep."""
        if self.ceiling is None:
            return seconds
        return LOOK if seconds is None else min(seconds, LOOK)

    def learn(self, worker: WorkerProcess) -> None:
        """Take note of what a worker used at most in the run that ended."""
        if self.ceiling is not None:
            self._of_a_run = max(FORGETS * self._of_a_run, float(worker.page.use()[1]))

    def has_room(self, workers: Sequence[WorkerProcess]) -> bool:
        """Say whether one more run may begin: always when none runs."""
        if self.ceiling is None:
            return True
        busy = [worker for worker in workers if worker.state in ("busy", "starting")]
        if not busy:
            return True
        planned = sum(max(self._of_a_run, float(worker.page.use()[0])) for worker in busy)
        resting = sum(worker.page.use()[0] for worker in workers if worker.state not in ("busy", "starting"))
        return planned + resting + self._of_a_run <= NEAR * self.ceiling

    def too_much(self, workers: Sequence[WorkerProcess]) -> WorkerProcess | None:
        """Return the youngest of several runs when they use more than there is."""
        if self.ceiling is None:
            return None
        busy = [worker for worker in workers if worker.state == "busy"]
        used = sum(worker.page.use()[0] for worker in workers)
        if len(busy) < 2 or used <= self.ceiling:
            return None
        self._of_a_run = max(self._of_a_run, *(float(worker.page.use()[1]) for worker in busy))
        return max(busy, key=lambda worker: worker.since)
