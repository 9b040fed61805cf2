"""What the trials of a task say: validation, analysis, predictions, comparisons, the report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from strategy_optimizer.api.conditional import CACHING, NOT_MODIFIED, conditional, etag_of, matches
from strategy_optimizer.api.dependencies import Caller, TheStore
from strategy_optimizer.api.reading import OwnTask, Reading, TheReading
from strategy_optimizer.api.routing import Router
from strategy_optimizer.api.task_views import no_result
from strategy_optimizer.errors import NotStoredError
from strategy_optimizer.models.analysis import (
    AnalysisOut,
    CompareIn,
    CompareOut,
    PredictionIn,
    PredictionOut,
)
from strategy_optimizer.models.result import ValidationModel
from strategy_optimizer.storage import TaskRecord

router = Router(prefix="/api/v1/optimize", tags=["analysis"])
_HTML: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the page",
        "content": {
            "text/html": {
                "schema": {"type": "string"},
                "example": '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">...',
            }
        },
    }
}
# The page has a script of its own; the sandbox keeps it from all that the caller may do here.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts"}


@router.get("/{task_id}/validation", response_model=ValidationModel, responses={304: NOT_MODIFIED})
def get_validation(task: OwnTask, store: TheStore, request: Request) -> Response:
    """Return what validation says of a task that has ended: the verdict, and the statistics behind it."""
    record = store.tasks.result(task.id)
    if record is None:
        raise no_result(task)
    found = record.document.get("validation")
    if found is None:
        raise NotStoredError(f"the task {task.id} was not validated; start it again with `validate`")
    return conditional(request, etag_of(task.id, record.saved, "validation"), lambda: JSONResponse(found))


@router.get("/{task_id}/analysis", response_model=AnalysisOut, responses={304: NOT_MODIFIED})
async def get_analysis(task: OwnTask, reading: TheReading, request: Request) -> Response:
    """Return what the trials say: which parameters matter, surfaces, sentences, how the search went.

    It is computed of the trials that the task has now, also while it runs, and kept until there are more.
    """
    etag = etag_of(*_moment(task), "analysis")

    async def compute() -> bytes:
        return await _computed(reading, request, task, "analysis", {})

    return await _answered(request, etag, compute, "application/json")


@router.post("/{task_id}/prediction", response_model=PredictionOut)
async def predict(task: OwnTask, asked: PredictionIn, reading: TheReading, request: Request) -> Response:
    """Return what parameters that need not have been tried are likely to measure, with intervals."""
    arguments = {"created": task.created.isoformat(), **asked.model_dump(mode="json")}
    return _json(await _computed(reading, request, task, "prediction", arguments))


@router.post("/compare", response_model=CompareOut)
async def compare_tasks(
    asked: CompareIn, caller: Caller, store: TheStore, reading: TheReading, request: Request
) -> Response:
    """Return tasks that have results beside each other; optimizers are tested when all searched the same."""
    ids = list(dict.fromkeys(asked.tasks))

    def look() -> list[TaskRecord]:
        tasks = [store.tasks.get(task_id, owner=caller.owner) for task_id in ids]
        for task in tasks:
            if store.tasks.result(task.id) is None:
                raise no_result(task)
        return tasks

    key = tuple(_moment(task) for task in await run_in_threadpool(look))
    return _json(await reading.computed.get(request, key, "comparison", {"task_ids": ids}))


@router.get("/{task_id}/report", response_class=HTMLResponse, responses={**_HTML, 304: NOT_MODIFIED})
async def get_report(
    task: OwnTask,
    reading: TheReading,
    request: Request,
    walk_forward: Annotated[
        bool, Query(description="whether a walk-forward is made, where it takes less than some 20 seconds")
    ] = False,
) -> Response:
    """Return the report of a task that has ended: one HTML page that needs nothing from elsewhere."""
    etag = etag_of(*_moment(task), "report", walk_forward)

    async def compute() -> bytes:
        asked = {"walk_forward": walk_forward, "data_dir": reading.data_dir}
        return await _computed(reading, request, task, "report", asked)

    response = await _answered(request, etag, compute, "text/html; charset=utf-8")
    response.headers.update(_SANDBOX)
    response.headers["Content-Disposition"] = f'inline; filename="{task.id}.html"'
    return response


def _moment(task: TaskRecord) -> tuple[Any, ...]:
    """Return what everything that is computed of a task depends on."""
    return task.id, task.created, task.state, task.trials


async def _computed(
    reading: Reading, request: Request, task: TaskRecord, function: str, arguments: Mapping[str, Any]
) -> bytes:
    whole = {"task_id": task.id, "trials": task.trials, **arguments}
    return await reading.computed.get(request, _moment(task), function, whole)


async def _answered(
    request: Request, etag: str, compute: Callable[[], Awaitable[bytes]], media_type: str
) -> Response:
    headers = {"ETag": etag, "Cache-Control": CACHING}
    if matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(await compute(), media_type=media_type, headers=headers)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
