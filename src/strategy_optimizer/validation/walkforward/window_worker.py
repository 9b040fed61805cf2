"""What a worker process gets: the plan of all searches, of which it runs one when it is told a window's number."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import TaskError
from strategy_optimizer.strategies.strategy_file import StrategyFile, file_of
from strategy_optimizer.threads import one_thread
from strategy_optimizer.validation.walkforward.board import Board
from strategy_optimizer.validation.walkforward.choices import Searched, WindowPlan, WindowSearch


class WindowWorker:
    """Searches a window by its number, in whatever process it was sent to.

    Parameters
    ----------
    plan : WindowPlan
        Its bars and code are sent once to all workers.
    trains : sequence of range
        The training windows by number.
    board : Path
        Where the trials made are reported, and where it says to stop.
    """

    def __init__(self, plan: WindowPlan, trains: Sequence[range], board: Path) -> None:
        self._plan = plan
        self._trains = tuple(trains)
        self._board = board

    def __call__(self, number: int) -> Searched:
        """Return how the search in one window ended, in a form that can be sent back."""
        board = Board(self._board)
        train = self._trains[number]
        if board.stopped:
            return Searched(train)

        def report(trials: int) -> None:
            board.report(number, trials)
            if board.stopped:
                search.stop()

        search = WindowSearch(self._plan, train, report)
        with one_thread():
            searched = search.run()
        return searched if searched.error is None else replace(searched, error=_sendable(searched.error))

    def __getstate__(self) -> dict[str, Any]:
        file = file_of(self._plan.strategy)
        if file is None:
            return {"strategy": self._plan.strategy, **self._rest()}
        return {"strategy": file, **self._rest()}

    def _rest(self) -> dict[str, Any]:
        plan = {name: value for name, value in vars(self._plan).items() if name != "strategy"}
        return {"plan": plan, "trains": self._trains, "board": self._board}

    def __setstate__(self, state: dict[str, Any]) -> None:
        strategy = state["strategy"]
        if isinstance(strategy, StrategyFile):
            strategy = strategy.load()
        self.__init__(WindowPlan(strategy, **state["plan"]), state["trains"], state["board"])  # type: ignore[misc]


def _sendable(error: Exception) -> Exception:
    """Return the error with its traceback as a note, or what it says where it cannot be pickled."""
    trace = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
        sent = error if type(copy) is type(error) and str(copy) == str(error) else None
    except Exception:  # whatever its own code raises
        sent = None
    sent = TaskError(f"{type(error).__name__}: {error}") if sent is None else sent
    sent.add_note(f"in a worker process:\n{trace}")
    return sent
