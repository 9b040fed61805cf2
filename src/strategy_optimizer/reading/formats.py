"""The kinds of files that trials are exported to."""

from __future__ import annotations

from typing import Literal, TypeAlias

ExportFormat: TypeAlias = Literal["csv", "parquet", "json"]
