"""Where things are kept, and what moves them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from strategy_optimizer.config import cache_folder, data_folder, state_folder
from strategy_optimizer.errors import StrategyOptimizerError

FOLDERS = [
    (data_folder, "STRATEGY_OPTIMIZER_DATA", "XDG_DATA_HOME", ".local/share"),
    (cache_folder, "STRATEGY_OPTIMIZER_CACHE", "XDG_CACHE_HOME", ".cache"),
    (state_folder, "STRATEGY_OPTIMIZER_STATE", "XDG_STATE_HOME", ".local/state"),
]


@pytest.mark.parametrize(("folder", "own", "shared", "at_home"), FOLDERS)
def test_our_own_variable_wins_then_that_of_the_system_then_the_home_folder(
    folder: Callable[[], Path],
    own: str,
    shared: str,
    at_home: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(own, str(tmp_path / "own"))
    monkeypatch.setenv(shared, str(tmp_path))
    assert folder() == tmp_path / "own"
    monkeypatch.setenv(own, "")  # as good as not set, not the present folder
    assert folder() == tmp_path / "strategy-optimizer"
    monkeypatch.delenv(shared)
    assert folder() == Path.home() / at_home / "strategy-optimizer"


def test_without_a_home_folder_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    for folder, own, shared, _ in FOLDERS:
        monkeypatch.delenv(own, raising=False)
        monkeypatch.delenv(shared, raising=False)
        with pytest.raises(StrategyOptimizerError, match=f"set {own} to a folder"):
            folder()
