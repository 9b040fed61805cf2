"""Whether this process may have worker processes: one that is a worker itself may not."""

from __future__ import annotations

import os
import sys

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.guarded_process import MARK

_may_nest = False


def may_have_workers() -> bool:
    """Say whether this process can have worker processes: not on Windows, nor as a worker itself.

    Raises
    ------
    ExecutorError
        In a worker that imports the module that made it: it would begin the same work again.
    """
    if sys.platform == "win32":
        return False
    worker = sys.modules.get("_strategy_optimizer_child.worker")
    if worker is not None and worker.loading:
        refuse_nesting()
    return MARK not in os.environ


def allow_workers() -> None:
    """Let this process have worker processes though a guard watches it: it runs a search, and is no run of one."""
    global _may_nest
    _may_nest = True


def refuse_nesting() -> None:
    """Raise ExecutorError where worker processes cannot be, or must not be made."""
    if sys.platform == "win32":
        raise ExecutorError("worker processes need Linux or macOS; use the serial executor, Ray, or WSL")
    if MARK not in os.environ or _may_nest:
        return
    worker = sys.modules.get("_strategy_optimizer_child.worker")
    if worker is not None and worker.loading:
        raise ExecutorError(
            "a search was begun while a worker process imported your module: the module begins it at its top "
            'level. Put that part below `if __name__ == "__main__":`, or into a function'
        )
    raise ExecutorError(
        "a run in a worker process made worker processes of its own: they would be more than there are "
        "processors. Use the serial executor inside a run"
    )
