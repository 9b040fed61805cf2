"""All trials of a task as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request

from strategy_optimizer.api.downloads import FileResponse
from strategy_optimizer.api.reading import OwnTask, TheReading
from strategy_optimizer.api.routing import Router
from strategy_optimizer.reading.formats import ExportFormat

router = Router(prefix="/api/v1/optimize", tags=["trials"])
MEDIA_TYPES: Mapping[ExportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "trial,state,reason,feasible,score,seconds,author,lookback_period,sharpe_ratio\n"
                "1,completed,,true,0.61,0.0007,,63,0.61\n",
            },
            "application/vnd.apache.parquet": _FILE,
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [{"trial": 1, "state": "completed", "score": 0.61, "lookback_period": 63}],
            },
        },
    }
}


@router.get("/{task_id}/export", response_class=FileResponse, responses=_CONTENT)
async def export_history(
    task: OwnTask,
    reading: TheReading,
    request: Request,
    kind: Annotated[ExportFormat, Query(alias="format", description="of the file")] = "csv",
) -> FileResponse:
    """Send all trials that the task has made so far as a file, with the columns of ``optimize --export``."""
    arguments = {"task": task.id, "trials": task.trials, "format": kind}
    blocks = await reading.files.stream(request, "export", arguments)
    name = f"{task.id}-{task.trials}-trials.{kind}"
    return FileResponse(
        blocks,
        media_type=MEDIA_TYPES[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
