"""The process of one confined call: reads what is asked, calls the function, writes down what it returned."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

from strategy_optimizer.tasks.executors.child import system
from strategy_optimizer.tasks.executors.child.words import error_text


def main(text: str) -> None:
    """Call one function of this package; `text` are the settings as JSON."""
    settings = json.loads(text)
    asked, answer = settings["files"]
    for file in (asked, answer):
        os.set_inheritable(file, False)
    module, _, name = settings["target"].partition(":")
    function = getattr(importlib.import_module(module), name)
    # After the imports, whose memory is not the call's, and before anything strange is looked at.
    system.brake(settings["limits"]["memory"], settings["limits"]["processes"])
    with os.fdopen(asked, encoding="utf-8") as file:
        request = json.load(file)
    written = json.dumps(_called(function, request), allow_nan=False)
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        file.write(written)
    sys.stdout.flush()
    os._exit(0)  # threads that were left running do not keep it, and nothing at exit has a say


def _called(function: Any, request: Any) -> dict[str, Any]:
    try:
        return {"value": function(request)}
    except MemoryError:
        return {"failure": "memory_limit", "message": "needed more memory than it may use"}
    except (Exception, SystemExit) as error:
        return {"failure": "raised", "message": error_text(error), "details": traceback.format_exc()[-4000:]}
