"""Frozen trajectories: the candidates of each optimizer on one landscape have not moved.

After a change that is meant to move them, write them anew with
``.venv/bin/python tests/optimizer/test_golden.py`` and say so in the changelog.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from contracts.optimizer import mixed_score, mixed_space
from strategy_optimizer.optimizer import OPTIMIZERS, create_optimizer

FOLDER = Path(__file__).parent.parent / "golden"
# Not those with a model: its last bits, and so their candidates, depend on the linear algebra library.
FROZEN = [name for name in OPTIMIZERS if name not in ("bo", "hybrid", "ensemble", "auto")]


def trajectory(name: str) -> dict[str, Any]:
    optimizer = create_optimizer(name, mixed_space(), budget=150, seed=7)
    asked = []
    for _ in range(25):
        batch = optimizer.ask(6)
        optimizer.tell(batch, [mixed_score(params) for params in batch])
        asked += batch
    return {"optimizer": name, "seed": 7, "best_score": optimizer.best_score, "candidates": asked}


def rounded(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters to nine digits: exp and log differ in the last bits between platforms."""
    return {
        key: float(f"{value:.9g}") if isinstance(value, float) else value for key, value in params.items()
    }


def path_of(name: str) -> Path:
    return FOLDER / f"optimizer_{name}.json"


@pytest.mark.parametrize("name", FROZEN)
def test_the_trajectory_has_not_moved(name: str) -> None:
    frozen, now = json.loads(path_of(name).read_text()), trajectory(name)
    assert now["best_score"] == pytest.approx(frozen["best_score"], rel=1e-9)
    for number, (before, after) in enumerate(zip(frozen["candidates"], now["candidates"], strict=True)):
        assert rounded(after) == rounded(before), f"candidate {number} moved"


def test_no_trajectory_is_orphaned() -> None:
    assert {path.stem for path in FOLDER.glob("optimizer_*.json")} == {f"optimizer_{name}" for name in FROZEN}


if __name__ == "__main__":
    for known in FROZEN:
        lines = json.dumps(trajectory(known), indent=None).replace('{"fast"', '\n{"fast"')
        path_of(known).write_text(lines + "\n")
