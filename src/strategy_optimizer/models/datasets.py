"""Datasets as the service shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model, PageModel


class FindingOut(Model):
    """One finding of the checks; rows are counted from 1 at the first row of data, and only the first are listed."""

    kind: str
    severity: Literal["error", "warning", "note"]
    message: str
    rows: list[int]
    count: int
    details: list[str] = []
    symbol: str = ""


class DatasetOut(Model):
    """A dataset."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "data_4f1c2a90b7d3e865",
                    "name": "EURUSD 1h",
                    "owner": "user_4f1c2a90b7d3e865",
                    "digest": "3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855a",
                    "size": 1_204_118,
                    "symbols": ["EURUSD 1h"],
                    "bars": 49_120,
                    "rows": 49_120,
                    "first": "2018-01-01 22:00",
                    "last": "2025-12-31 21:00",
                    "interval": "1 hour",
                    "calendar": "1-hour bars",
                    "format": "csv",
                    "repairs": [],
                    "warnings": 1,
                    "created_at": "2026-01-05T12:00:00Z",
                }
            ]
        }
    )

    id: str
    name: str
    owner: str
    digest: str = Field(description="hash of the bars; results of tasks carry it")
    size: int = Field(description="bytes that it takes; they count against the quota")
    symbols: list[str]
    bars: int
    rows: int = Field(description="rows of the upload, before repairs")
    first: str
    last: str
    interval: str
    calendar: str
    format: str
    repairs: list[str]
    warnings: int
    created_at: datetime


class DatasetDetailsOut(DatasetOut):
    """A dataset, with all that the checks found."""

    problems: list[FindingOut]


class DatasetsOut(PageModel):
    """Datasets; an administrator sees everybody's."""

    datasets: list[DatasetOut]


class DatasetChangeIn(Model):
    """What of a dataset can be changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "EURUSD 1h"}]})

    name: str = Field(min_length=1, max_length=100)


class RowOut(Model):
    """One bar."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float


class CurveOut(Model):
    """Closes over time, with the lowest and the highest of each part."""

    time: list[datetime]
    close: list[float]


class PreviewOut(Model):
    """A look at one symbol of a dataset: its first and last bars, and its course."""

    id: str
    name: str
    symbol: str
    symbols: list[str] = Field(description="those that have a preview, at most the first twenty")
    first: list[RowOut]
    last: list[RowOut]
    curve: CurveOut
