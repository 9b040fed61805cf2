"""Strategies as the service shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model, PageModel, Value

StrategySource = Literal["built_in", "package", "file"]


class StrategyOut(Model):
    """A strategy that tasks can name, as its newest version declares it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "dip",
                    "source": "file",
                    "place": "dip.py",
                    "version": "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855a",
                    "description": "Buys dips.",
                    "style": "vectorised",
                    "multi_symbol": False,
                    "parameter_space": {
                        "days": {
                            "type": "discrete",
                            "bounds": [2, 50],
                            "default": 10,
                            "step": 1,
                            "log": False,
                        }
                    },
                    "constraints": [],
                    "defaults": {"days": 10},
                    "problem": None,
                    "changed_at": "2026-01-05T12:00:00Z",
                }
            ]
        }
    )

    name: str
    source: StrategySource = Field(description="where its code comes from; it never comes over the network")
    place: str = Field(description="the package, or the file in the folder of strategies")
    version: str | None = Field(description="digest of its newest version that can be used")
    description: str = ""
    style: str | None = Field(
        default=None,
        description="compiled and vectorised strategies run on the built-in kernel, on the data that a task names; an "
        "engine runs its own backtests, on its own data",
        examples=["vectorised", "engine"],
    )
    multi_symbol: bool = False
    parameter_space: dict[str, Any] = {}
    constraints: list[str] = []
    defaults: dict[str, Value] = {}
    problem: str | None = Field(
        description="why what is there now cannot be used; the last good version stays"
    )
    changed_at: datetime


class StrategiesOut(PageModel):
    """All strategies."""

    strategies: list[StrategyOut]


class StrategyVersionOut(Model):
    """One version of a strategy; a task keeps the one that was newest when it was made."""

    version: str
    description: str
    parameter_space: dict[str, Any]
    constraints: list[str]
    created_at: datetime


class StrategyVersionsOut(PageModel):
    """The versions of a strategy."""

    name: str
    newest: str | None
    versions: list[StrategyVersionOut]
