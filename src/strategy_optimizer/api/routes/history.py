"""The trials of a task: pages, one of them, and how the best score grew."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from strategy_optimizer.api.answers import asker_of
from strategy_optimizer.api.conditional import NOT_MODIFIED, etag_of, matches, not_modified, validated_by
from strategy_optimizer.api.dependencies import TheStore
from strategy_optimizer.api.reading import OwnTask, TheReading
from strategy_optimizer.api.routing import Router
from strategy_optimizer.models.history import HistoryOut, TrialOut
from strategy_optimizer.models.result import ConvergenceModel
from strategy_optimizer.models.service_task import ConvergenceOut
from strategy_optimizer.plain import as_plain
from strategy_optimizer.reading.history_query import ITERATION, HistoryQuery
from strategy_optimizer.records import TrialState

router = Router(prefix="/api/v1/optimize", tags=["trials"])
LARGEST = 2**53
"""Of whole numbers: the largest that every JSON reader keeps."""
Number = Annotated[float | None, Query(allow_inf_nan=False)]


@router.get("/{task_id}/history", response_model=HistoryOut, responses={304: NOT_MODIFIED})
async def get_history(
    task: OwnTask,
    reading: TheReading,
    request: Request,
    offset: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    since: Annotated[
        int, Query(ge=0, le=LARGEST, description="only trials after the one of this number")
    ] = 0,
    state: Annotated[list[TrialState], Query(description="only trials in these states")] = [],  # noqa: B006
    feasible: bool | None = None,
    min_score: Number = None,
    max_score: Number = None,
    sort: Annotated[
        str, Query(max_length=200, description="`iteration`, `score`, `seconds` or a metric")
    ] = ITERATION,
    order: Annotated[
        Literal["ascending", "descending"] | None,
        Query(description="by default ascending for `iteration`, descending for all else"),
    ] = None,
) -> Response:
    """Return a page of the trials that the task has made so far.

    Trials without a score, or without the metric that they are sorted by, come last in either order.
    """
    descending = order == "descending" if order is not None else sort != ITERATION
    query = HistoryQuery(tuple(state), feasible, min_score, max_score, since, sort, descending)
    etag = etag_of(task.id, task.created, task.state, task.trials, query, offset, limit)
    if matches(request.headers.get("if-none-match", ""), etag):
        return not_modified(etag)
    page = reading.history.kept_page(task, query, offset, limit)
    if page is None:  # to read trials takes a while
        read = partial(reading.history.page, task, query, offset, limit, user=asker_of(request))
        page = await run_in_threadpool(read)
    after = offset + len(page.entries)
    about = {
        "task_id": task.id,
        "status": task.state,
        "trials": task.trials,
        "total": page.total,
        "offset": offset,
        "limit": limit,
        "next_offset": after if page.entries and after < page.total else None,
    }
    # Pages that are asked for again have their text already, which takes longest.
    text = f'{json.dumps(about)[:-1]},"optimization_history":{page.entries.text}}}'
    return Response(text, media_type="application/json", headers=validated_by(etag))


@router.get("/{task_id}/history/{iteration}", response_model=TrialOut)
def get_trial(
    task: OwnTask,
    iteration: Annotated[int, Path(ge=1, le=LARGEST, description="its number, from 1")],
    reading: TheReading,
) -> Response:
    """Return one trial."""
    return JSONResponse(reading.history.trial(task, iteration))


@router.get("/{task_id}/convergence")
def get_convergence(
    task: OwnTask,
    store: TheStore,
    points: Annotated[int, Query(ge=2, le=2000, description="the most that are returned")] = 500,
) -> ConvergenceOut:
    """Return how the best score grew over the trials, in few points however many trials there are.

    With several objectives there is no one score: the columns hold nulls, and the analysis has the hypervolume.
    """
    curve = store.trials.curve(task.id, points)
    record = store.tasks.result(task.id)
    found = None if record is None else record.document.get("convergence_analysis")
    return ConvergenceOut(
        task_id=task.id,
        status=task.state,
        trials=int(curve.stop[-1]) if len(curve.stop) else 0,
        first=(curve.first + 1).tolist(),
        last=curve.stop.tolist(),
        low=as_plain(curve.low),
        high=as_plain(curve.high),
        best=as_plain(curve.best),
        convergence_analysis=None if found is None else ConvergenceModel(**found),
    )
