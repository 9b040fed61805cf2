"""A child process of the API: it does what it is asked for, one thing after the other, and ends with its parent."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from typing import Any, BinaryIO

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.reading.frames import BLOCK, ERROR, RESULT, Frame, read_frame, write_frame
from strategy_optimizer.reading.functions import Call, run
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks.executors.child import system

NICENESS = 5
"""The API, and the trials of tasks, go first."""


def main() -> None:
    """Answer requests until standard input ends."""
    requests, answers = _own_pipes()
    system.step_back(NICENESS)
    asked: queue.Queue[Frame] = queue.Queue()
    first = read_frame(requests)
    if first is None:
        return
    # The thread also notices that the parent is gone while something is computed.
    threading.Thread(target=_listen, args=(requests, asked), daemon=True).start()
    with Store(json.loads(first[1])["store"]) as store:
        while True:
            _answer(store, json.loads(asked.get()[1]), answers)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output away from all other code, whose prints would spoil the answers."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    return requests, answers


def _listen(requests: BinaryIO, asked: queue.Queue[Frame]) -> None:
    while (frame := read_frame(requests)) is not None:
        asked.put(frame)
    os._exit(0)


def _answer(store: Store, request: dict[str, Any], answers: BinaryIO) -> None:
    call = Call(store, request["arguments"], lambda block: write_frame(answers, BLOCK, block))
    try:
        found = run(request["function"], call)
        payload = found.encode() if isinstance(found, str) else json.dumps(found, allow_nan=False).encode()
    except Exception as error:
        write_frame(answers, ERROR, json.dumps(describe(error)).encode())
    else:
        write_frame(answers, RESULT, payload)


def describe(error: Exception) -> dict[str, Any]:
    """Return an error as JSON values: of ours the class and what it knows, of others the traceback for the log."""
    if not isinstance(error, StrategyOptimizerError):
        return {
            "name": None,
            "message": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
        }
    knows = {
        name: value
        for name, value in vars(error).items()
        if not name.startswith("_") and isinstance(value, (str, int, float, list, tuple))
    }
    return {"name": type(error).__name__, "message": str(error), "knows": knows}


if __name__ == "__main__":
    main()
