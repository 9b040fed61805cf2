"""Importing the package loads nothing heavy, and every public name is there."""

from __future__ import annotations

import subprocess
import sys

import strategy_optimizer

HEAVY = (
    "numpy",
    "numba",
    "polars",
    "pandas",
    "scipy",
    "pydantic",
    "arch",
    "statsmodels",
    "typer",
    "rich",
    "sqlalchemy",
    "alembic",
)


def test_nothing_heavy_is_imported():
    script = f"import sys, strategy_optimizer; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_used():
    for name in strategy_optimizer.__all__:
        assert getattr(strategy_optimizer, name) is not None
    assert set(dir(strategy_optimizer)) == set(strategy_optimizer.__all__)
