"""The trial ledger as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from strategy_optimizer.models.base import Model

_ENTRY: JsonDict = {
    "task_id": "opt_4f1c2a90b7d3e865",
    "kind": "search",
    "recorded_at": "2026-11-29T21:00:00Z",
    "interrupted": False,
    "strategy": "momentum",
    "strategy_digest": "5d41402abc4b2a76b9719d911017c592",
    "data": "nasdaq",
    "symbols": ["nasdaq"],
    "first": "1999-01-04",
    "last": "2013-12-31",
    "searched_bars": 3773,
    "held_out_bars": 1258,
    "trials": 1000,
    "distinct": 941,
    "held_out_looks": 1,
}


class LedgerEntryOut(Model):
    """One task in the trial ledger: what it tried on which bars, and what was seen of the held-out ones."""

    task_id: str | None = Field(
        description="null for what was recorded before the ledger was in the store; the task itself may be gone"
    )
    kind: Literal["search", "walk-forward"]
    recorded_at: datetime
    interrupted: bool = Field(description="whether it was stopped before its end")
    strategy: str
    strategy_digest: str
    data: str
    symbols: list[str]
    first: str = Field(description="of the searched bars")
    last: str
    searched_bars: int = Field(
        description="of an engine, whose bars are not known: hundredths of its data, as `held_out_bars`"
    )
    held_out_bars: int
    trials: int
    distinct: int = Field(description="trials with different returns")
    held_out_looks: int = Field(description="winners that were shown on the held-out bars")


class LedgerPageOut(Model):
    """Entries of one owner's ledger, the newest first, and where the next page begins."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"owner": "user_9c2f41d07ab35e68", "entries": [_ENTRY], "total": 1, "next_cursor": None}
            ]
        }
    )

    owner: str
    entries: list[LedgerEntryOut]
    total: int
    next_cursor: str | None = None


class LedgerResetOut(Model):
    """How many entries were removed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"owner": "user_9c2f41d07ab35e68", "removed": 12}]}
    )

    owner: str
    removed: int
