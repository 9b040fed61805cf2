"""Where things are kept on disk, and the environment variables that move them."""

from __future__ import annotations

import os
from pathlib import Path

from strategy_optimizer.errors import StrategyOptimizerError

CACHE = "STRATEGY_OPTIMIZER_CACHE"
DATA = "STRATEGY_OPTIMIZER_DATA"
STATE = "STRATEGY_OPTIMIZER_STATE"
_NAME = "strategy-optimizer"


def cache_folder() -> Path:
    """Return the folder of what can be made again: downloads and compiled code."""
    return _folder(CACHE, "XDG_CACHE_HOME", ".cache")


def data_folder() -> Path:
    """Return the folder of what cannot be made again: the trial ledger."""
    return _folder(DATA, "XDG_DATA_HOME", ".local/share")


def state_folder() -> Path:
    """Return the folder of what is worth keeping: unfinished searches."""
    return _folder(STATE, "XDG_STATE_HOME", ".local/state")


def _folder(own: str, shared: str, at_home: str) -> Path:
    """Return the folder that a variable of ours names, else our folder in the user's; empty is not set."""
    if named := os.environ.get(own):
        return Path(named)
    base = os.environ.get(shared)
    return (Path(base) if base else _home(own) / at_home) / _NAME


def _home(variable: str) -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a user without an entry in the system's list
        raise StrategyOptimizerError(f"there is no home folder; set {variable} to a folder") from error
