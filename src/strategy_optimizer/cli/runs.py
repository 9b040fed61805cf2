"""Where searches are kept while they run, so that Ctrl-C, a crash or a power cut loses nothing.

Each search has a folder named by what it searches, so that the same call finds it again. The folder goes when
the search ends.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

STATE = "STRATEGY_OPTIMIZER_STATE"


def runs_folder() -> Path:
    """Return the folder of unfinished searches; ``STRATEGY_OPTIMIZER_STATE`` moves it."""
    base = os.environ.get(STATE)
    if base is None:
        home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        base = str(Path(home) / "strategy-optimizer")
    return Path(base) / "runs"


def run_folder(task_id: str) -> Path:
    """Return the folder of one search; the digest at the end of the id tells searches apart."""
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in task_id)
    return runs_folder() / name[-60:]


def holds_search(folder: Path) -> bool:
    """Return whether the folder holds a search, even one that was killed before it was first saved."""
    return any((folder / name).is_file() for name in ("state.json", "trials.bin"))


def forget(folder: Path) -> None:
    """Remove a finished search."""
    shutil.rmtree(folder, ignore_errors=True)
