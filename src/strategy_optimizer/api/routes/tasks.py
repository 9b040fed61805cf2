"""Tasks: start, list, watch, pause, cancel, copy, and what came of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.conditional import NOT_MODIFIED, conditional, etag_of, json_of
from strategy_optimizer.api.dependencies import Caller, TheService, TheShortReads, TheStore
from strategy_optimizer.api.first_look import TheFirstLook
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.reading import OwnTask, TaskId
from strategy_optimizer.api.routing import Router
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.task_views import no_result, shown, shown_whole, status_of
from strategy_optimizer.errors import TaskStateError
from strategy_optimizer.models.result import PerformanceModel, ResultModel
from strategy_optimizer.models.service_task import (
    BestParametersOut,
    State,
    StatusOut,
    TaskChangeIn,
    TaskCopyIn,
    TaskDocumentOut,
    TaskIn,
    TaskOut,
    TaskPageOut,
)
from strategy_optimizer.service_settings import MEGABYTE
from strategy_optimizer.storage import ENDED, Creation, Place, ResultRecord, Store, TaskRecord, TaskSort
from strategy_optimizer.workers.submission import copy_of, submit

router = Router(prefix="/api/v1/optimize", tags=["tasks"])
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="the same key with the same task gives the task that was made the first time, not another",
    ),
]
_AGAIN: dict[int | str, dict[str, Any]] = {
    200: {"model": TaskOut, "description": "made by an earlier request of this key"}
}


@router.post("/start", status_code=201, responses=_AGAIN)
def start_task(
    task: TaskIn,
    caller: Caller,
    service: TheService,
    first_look: TheFirstLook,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TaskOut:
    """Put a task into the queue."""
    made = first_look.told(lambda: _submit(service, caller, task, idempotency_key=idempotency_key))
    return _made(made, response)


@router.get("/tasks", response_model=TaskPageOut)
async def list_tasks(
    caller: Caller,
    reads: TheShortReads,
    page: Annotated[AskedPage, asked_page(TaskSort, "descending")],
    status: Annotated[list[State], Query(description="only tasks in these states")] = [],  # noqa: B006
    strategy: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """List one's tasks, by default the newest first; an administrator sees everybody's."""
    asked = page.listing

    def read(store: Store) -> str:
        found = store.tasks.page(
            owner=caller.owner,
            states=status,
            strategy=strategy,
            sort=page.sort,  # type: ignore[arg-type]  # FastAPI has checked it
            ascending=asked.ascending,
            before=asked.after,
            limit=asked.limit + 1,
        )
        rows, last = found[: asked.limit], None
        if len(found) > asked.limit:
            last = Place(getattr(rows[-1], asked.sort), rows[-1].id)
        return TaskPageOut(
            tasks=[shown(task) for task in rows],
            total=store.tasks.count(owner=caller.owner, states=status, strategy=strategy),
            next_cursor=page.next_cursor(last),
        ).model_dump_json()

    text = await reads(("tasks", caller.owner, tuple(status), strategy, page), read)
    return Response(text, media_type="application/json")


@router.get("/{task_id}", response_model=TaskDocumentOut)
async def get_task(task: OwnTask) -> Response:
    """Return a task with all that was asked for."""
    return json_of(shown_whole(task))


@router.get("/{task_id}/status", response_model=StatusOut)
async def get_status(task: OwnTask) -> Response:
    """Return how far a task is."""
    return json_of(status_of(task))


@router.patch("/{task_id}")
def change_task(task_id: TaskId, change: TaskChangeIn, caller: Caller, store: TheStore) -> TaskOut:
    """Change how early a task is taken from the queue."""
    store.tasks.get(task_id, owner=caller.owner)
    return shown(store.tasks.set_priority(task_id, change.priority))


@router.delete("/{task_id}")
def cancel_task(task_id: TaskId, caller: Caller, store: TheStore) -> StatusOut:
    """End a task, keeping its history; asking again changes nothing. A running one ends within two seconds."""
    store.tasks.get(task_id, owner=caller.owner)
    return status_of(store.tasks.cancel(task_id))


@router.post("/{task_id}/pause")
def pause_task(task_id: TaskId, caller: Caller, store: TheStore) -> StatusOut:
    """Pause a task after the batch in flight; it keeps all that it has done."""
    store.tasks.get(task_id, owner=caller.owner)
    return status_of(store.tasks.pause(task_id))


@router.post("/{task_id}/resume")
def resume_task(task_id: TaskId, caller: Caller, store: TheStore) -> StatusOut:
    """Go on with a paused task; its trials are those that it would have made without the pause."""
    store.tasks.get(task_id, owner=caller.owner)
    return status_of(store.tasks.resume(task_id))


@router.post("/{task_id}/clone", status_code=201, responses=_AGAIN)
def clone_task(
    task_id: TaskId,
    changes: TaskCopyIn,
    caller: Caller,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TaskOut:
    """Start a copy of a task with some changes, on the newest version of its strategy."""
    task = service.store.tasks.get(task_id, owner=caller.owner)
    try:
        copy = copy_of(task, changes)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    made = _submit(service, caller, copy, parent=task.id, idempotency_key=idempotency_key)
    return _made(made, response)


@router.post("/{task_id}/rerun", status_code=201, responses=_AGAIN)
def rerun_task(
    task_id: TaskId,
    caller: Caller,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TaskOut:
    """Start the same task again, on the newest version of its strategy."""
    task = service.store.tasks.get(task_id, owner=caller.owner)
    made = _submit(service, caller, copy_of(task), parent=task.id, idempotency_key=idempotency_key)
    return _made(made, response)


@router.get("/{task_id}/results", response_model=ResultModel, responses={304: NOT_MODIFIED})
def get_results(task: OwnTask, store: TheStore, request: Request) -> Response:
    """Return the result of a task that has ended; beyond 10,000 trials it embeds only improvements."""
    record = store.tasks.result(task.id)
    if record is None:
        raise no_result(task)
    # As it was checked when it was written: with 10,000 trials a second check would take most of the time.
    return conditional(request, etag_of(task.id, record.saved), lambda: JSONResponse(record.document))


@router.get("/{task_id}/best-params", response_model=BestParametersOut)
async def get_best_parameters(task: OwnTask, store: TheStore) -> Response:
    """Return the best parameters: of the result, or the best so far of a task that runs."""
    # A result is a document of up to megabytes, and no short read.
    record = await run_in_threadpool(store.tasks.result, task.id) if task.state in ENDED else None
    return json_of(_best_parameters(task, record))


def _best_parameters(task: TaskRecord, record: ResultRecord | None) -> BestParametersOut:
    if record is not None:
        result = record.document
        verdict = ((result.get("validation") or {}).get("verdict") or {}).get("decision")
        return BestParametersOut(
            task_id=task.id,
            status=task.state,
            final=True,
            best_parameters=result["best_parameters"],
            best_performance=result["best_performance"],
            recommended_parameters=result.get("recommended_parameters"),
            verdict=verdict,
        )
    progress = task.progress or {}
    if progress.get("best_parameters") is None:
        raise TaskStateError(
            f"the task {task.id} is {task.state} and has no best parameters yet",
            task=task.id,
            state=task.state,
        )
    return BestParametersOut(
        task_id=task.id,
        status=task.state,
        final=False,
        best_parameters=progress["best_parameters"],
        best_performance=PerformanceModel(
            **(progress.get("best_metrics") or {}), composite_score=progress.get("best_score")
        ),
    )


def _submit(service: Service, caller: Principal, task: TaskIn, **others: Any) -> Creation:
    most = service.settings.task_memory * MEGABYTE
    return submit(service.store, caller.user_id, task, task_memory=most, **others)


def _made(creation: Creation, response: Response) -> TaskOut:
    if not creation.is_new:
        response.status_code = 200
    response.headers["Location"] = f"{router.prefix}/{creation.task.id}"
    return shown(creation.task)
