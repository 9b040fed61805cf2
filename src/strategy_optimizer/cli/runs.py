"""Where searches are kept while they run, so that Ctrl-C, a crash or a power cut loses nothing.

Each search has a folder named by what it searches, so that the same call finds it again. The folder goes when
the search ends, or when nobody has continued it for `KEPT_DAYS`.
"""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

from strategy_optimizer.config import state_folder
from strategy_optimizer.errors import CheckpointError
from strategy_optimizer.tasks.checkpoint import TRIALS
from strategy_optimizer.tasks.checkpoint_folder import LOCK, STATE, TEMPORARY
from strategy_optimizer.tasks.lock import FileLock

KEPT_DAYS = 30
"""Days after its last save that an interrupted search is kept."""


def runs_folder() -> Path:
    """Return the folder of unfinished searches."""
    return state_folder() / "runs"


def run_folder(task_id: str) -> Path:
    """Return the folder of one search; the digest at the end of the id tells searches apart."""
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in task_id)
    return runs_folder() / name[-60:]


def holds_search(folder: Path) -> bool:
    """Return whether the folder holds a search, even one that was killed before it was first saved."""
    return any((folder / name).is_file() for name in (STATE, TRIALS))


def forget(folder: Path) -> None:
    """Remove a finished search."""
    shutil.rmtree(folder, ignore_errors=True)


def prune(keep: Path) -> int:
    """Remove interrupted searches that are too old, and return how many; not `keep`, nor one that is running."""
    oldest = time.time() - KEPT_DAYS * 86_400
    try:
        folders = list(runs_folder().iterdir())
    except OSError:  # there is no such folder yet
        return 0
    return sum(_remove(folder) for folder in folders if folder != keep and _last_written(folder) < oldest)


def _last_written(folder: Path) -> float:
    """Return when the search was last saved; infinity for what is none of ours."""
    try:
        files = list(folder.iterdir())
        ours = bool(files) and all(path.name in (STATE, TEMPORARY, TRIALS, LOCK) for path in files)
        return max(path.stat().st_mtime for path in files) if ours else math.inf
    except OSError:  # a file, or a folder that another process has just removed
        return math.inf


def _remove(folder: Path) -> bool:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire()
    except CheckpointError:  # another process runs it
        return False
    try:
        forget(folder)
    finally:
        lock.release()
    return not folder.exists()
