"""The loop over populations: ask the optimizer for a batch, evaluate it, score it, tell the scores.

Which candidates are tried depends on the optimizer alone. A batch is as large as the optimizer wants; it
is evaluated in groups that take about a fifth of a second, between which the loop saves, reports progress
and looks whether it has to stop. Groups follow the clock, candidates do not: an optimizer learns the same
from a batch that is told in any grouping.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.objective import Objective
from strategy_optimizer.optimizer import Optimizer
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.records import Sink, StopReason
from strategy_optimizer.tasks.budget import Budget
from strategy_optimizer.tasks.checkpoint import SearchCheckpoint
from strategy_optimizer.tasks.evaluator import Evaluator
from strategy_optimizer.tasks.loop import MAX_BATCH, Loop

FloatArray = NDArray[np.float64]


@dataclass
class Pace:
    """How many trials take about `seconds`, learnt from the groups before."""

    seconds: float = 0.2
    size: int = 32

    def learn(self, n: int, elapsed: float) -> None:
        """Note that `n` trials took `elapsed` seconds; a group grows at most eightfold."""
        wanted = int(self.seconds * n / max(elapsed, 1e-9))
        self.size = max(1, min(wanted, 8 * max(n, self.size)))


class SearchLoop(Loop):
    """Runs a search whose trials an engine in this process evaluates by the hundred.

    Parameters
    ----------
    evaluator : Evaluator
    optimizer, objective, budget, checkpoint, sink, n_blocks
        As for `Loop`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        evaluator: Evaluator,
        objective: Objective,
        budget: Budget,
        *,
        checkpoint: SearchCheckpoint | None = None,
        sink: Sink | None = None,
        n_blocks: int = 16,
    ) -> None:
        super().__init__(optimizer, objective, budget, checkpoint=checkpoint, sink=sink, n_blocks=n_blocks)
        self.evaluator = evaluator
        self._in_flight: FloatArray = np.empty((0, optimizer.space.n_dims))  # asked, not told yet
        self._known = 0  # trials told when these were asked for
        self._pace = Pace()

    def _step(self) -> StopReason | None:
        """Evaluate the next group and take its scores in; return why the search ends, if it does."""
        left = self._trials_left()
        if left <= 0:
            return "target" if self._target_reached() else "budget"
        if len(self._in_flight) == 0:
            reason = self._ask()
            if reason is not None:
                return reason
        points = self._in_flight[: min(self._pace.size, left)]
        begin = time.perf_counter()
        try:
            with self._guard.interruptible():
                table = self.evaluator.evaluate(points)
        except KeyboardInterrupt:
            return "interrupted"
        elapsed = time.perf_counter() - begin
        self._take_in(points, table, elapsed / len(points), known=self._known)
        self._in_flight = self._in_flight[len(points) :]
        self._pace.learn(len(points), elapsed)
        if self._checkpoint is not None and self._checkpoint.due():
            self._save()
        self._report()
        return None

    def _ask(self) -> StopReason | None:
        """Get the next batch, whole even when fewer trials are left: a search continued later goes on alike.

        Only here, where no clock decides, target and patience are looked at.
        """
        if self._target_reached():
            return "target"
        if self._converged():
            return "converged"
        self._known = len(self.history)
        self._in_flight = self.optimizer.ask_array(min(self.optimizer.batch_size, MAX_BATCH))
        return None if len(self._in_flight) else "exhausted"

    def _flight(self) -> dict[str, Any]:
        return {"points": encode_array(self._in_flight), "known": self._known}

    def _take_off(self, flight: Mapping[str, Any]) -> None:
        self._in_flight = decode_array(flight["points"])
        self._known = int(flight["known"])
