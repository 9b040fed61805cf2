"""The client that waits. Made from `async_client.py` by ``make client``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx2
from websockets.sync.client import connect

from strategy_optimizer.client.exchange import (
    COMPUTING,
    LONG_POLL,
    Patience,
    as_document,
    base_url,
    body_of,
    checked,
    find_key,
    given,
    headers_of,
    may_repeat,
    passes,
    path_of,
    unreachable,
)
from strategy_optimizer.client.following import INTERRUPTIONS, Following, TaskFrame
from strategy_optimizer.errors import ServiceError, TaskError
from strategy_optimizer.models.accounts import KeyOut, KeysOut, MeOut, NewKeyOut
from strategy_optimizer.models.analysis import AnalysisOut, CompareOut, PredictionOut
from strategy_optimizer.models.base import PageModel
from strategy_optimizer.models.datasets import DatasetDetailsOut, DatasetOut, DatasetsOut
from strategy_optimizer.models.frames import ChannelName
from strategy_optimizer.models.history import HistoryOut, TrialOut
from strategy_optimizer.models.ledger import LedgerPageOut, LedgerResetOut
from strategy_optimizer.models.parameter_spaces import SpaceOut
from strategy_optimizer.models.result import ResultModel
from strategy_optimizer.models.schedule import ScheduleOut, SchedulesOut
from strategy_optimizer.models.service_task import (
    BestParametersOut,
    ConvergenceOut,
    StatusOut,
    TaskDocumentOut,
    TaskOut,
    TaskPageOut,
)
from strategy_optimizer.models.strategies import StrategiesOut, StrategyOut
from strategy_optimizer.models.webhook import NewWebhookOut, WebhookOut, WebhooksOut

P = TypeVar("P", bound=PageModel)
ENDED = ("completed", "failed", "cancelled")
_PIECE = 1 << 16


class Client:
    """Talks to a service.

    Parameters
    ----------
    url : str
        Where it is.
    key : str, optional
        An API key; by default that of the variable ``STRATEGY_OPTIMIZER_KEY``.
    patience : Patience, optional
        How long to wait, how often to ask again.
    transport : httpx2.BaseTransport, optional
        In place of the network, for tests.

    Raises
    ------
    ServiceError
        From every method: what the service says is wrong, with `status`, `kind` and `details`.
    ServiceUnreachableError
        From every method: it does not answer, also after some attempts.

    Notes
    -----
    Requests that read are repeated when the connection breaks or the service is busy; so are those that make a task,
    which carry a key of their own, so that one task is made.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        *,
        patience: Patience | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = base_url(url)
        self.patience = patience or Patience()
        self._key = find_key(key)
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers_of(self._key),
            timeout=self.patience.timeout,
            transport=transport,
            follow_redirects=False,  # a redirect could take the key to another host
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # -- tasks -----------------------------------------------------------------------------------------------

    def start(
        self,
        task: Mapping[str, Any] | str | Path | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> TaskOut:
        """Put a task into the queue.

        Parameters
        ----------
        task : mapping or path, optional
            A task as JSON has it, or a file of one.
        idempotency_key : str, optional
            The same key with the same task gives the task that is there; by default one for this call, so that an
            answer that was lost does not make a second task.
        **fields
            Fields of the task, over those of `task`: ``strategy_name="momentum", data="nasdaq"``.
        """
        document = {**({} if task is None else as_document(task)), **fields}
        answer = self._post(path_of("optimize", "start"), document, idempotency_key or uuid4().hex)
        return TaskOut.model_validate(answer)

    def tasks(
        self,
        *,
        status: str | Sequence[str] = (),
        strategy: str | None = None,
        sort: str | None = None,
        order: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> TaskPageOut:
        """Return one page of tasks, the newest first.

        Parameters
        ----------
        status, strategy : str, optional
            Only tasks in these states, of this strategy.
        sort : {"created", "priority", "trials"}, optional
        order : {"descending", "ascending"}, optional
        limit : int
        cursor : str, optional
            The ``next_cursor`` of the page before.
        """
        states = [status] if isinstance(status, str) else list(status)
        query = given(
            status=states or None, strategy=strategy, sort=sort, order=order, limit=limit, cursor=cursor
        )
        return TaskPageOut.model_validate(self._get(path_of("optimize", "tasks"), query))

    def all_tasks(
        self, *, status: str | Sequence[str] = (), strategy: str | None = None
    ) -> Iterator[TaskOut]:
        """Yield all tasks, the newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self.tasks(status=status, strategy=strategy, limit=200, cursor=cursor)
            for task in page.tasks:
                yield task
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def task(self, task_id: str) -> TaskDocumentOut:
        """Return a task with all that was asked for."""
        return TaskDocumentOut.model_validate(self._get(path_of("optimize", task_id)))

    def status(self, task_id: str) -> StatusOut:
        """Return how far a task is."""
        return StatusOut.model_validate(self._get(path_of("optimize", task_id, "status")))

    def cancel(self, task_id: str) -> StatusOut:
        """End a task, keeping what it has found."""
        return StatusOut.model_validate(self._send("DELETE", path_of("optimize", task_id)))

    def pause(self, task_id: str) -> StatusOut:
        """Pause a task after the batch in flight."""
        return StatusOut.model_validate(self._post(path_of("optimize", task_id, "pause")))

    def resume(self, task_id: str) -> StatusOut:
        """Go on with a paused task."""
        return StatusOut.model_validate(self._post(path_of("optimize", task_id, "resume")))

    def set_priority(self, task_id: str, priority: int) -> TaskOut:
        """Change how early a task is taken from the queue; larger is earlier."""
        answer = self._send("PATCH", path_of("optimize", task_id), json={"priority": priority})
        return TaskOut.model_validate(answer)

    def clone(self, task_id: str, *, idempotency_key: str | None = None, **changes: Any) -> TaskOut:
        """Start a copy of a task with some changes: ``data="nasdaq", warm_start=True``."""
        path = path_of("optimize", task_id, "clone")
        return TaskOut.model_validate(self._post(path, changes, idempotency_key or uuid4().hex))

    def rerun(self, task_id: str, *, idempotency_key: str | None = None) -> TaskOut:
        """Start the same task again, on the newest version of its strategy."""
        path = path_of("optimize", task_id, "rerun")
        return TaskOut.model_validate(self._post(path, None, idempotency_key or uuid4().hex))

    def wait(self, task_id: str, *, timeout: float | None = None, every: float = 0.5) -> StatusOut:
        """Return the status of a task when it has ended.

        Parameters
        ----------
        task_id : str
        timeout : float, optional
            Seconds after which a `TaskError` is raised; the task goes on.
        every : float
            Seconds between two looks.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            status = self.status(task_id)
            if status.status in ENDED:
                return status
            if end is not None and time.monotonic() >= end:
                raise TaskError(f"the task {task_id} is still {status.status} after {timeout:g} seconds")
            time.sleep(every)

    # -- what came of them -----------------------------------------------------------------------------------

    def results(self, task_id: str) -> ResultModel:
        """Return the result of a task that has ended."""
        return ResultModel.model_validate(self._get(path_of("optimize", task_id, "results")))

    def best_parameters(self, task_id: str) -> BestParametersOut:
        """Return the best parameters: of the result, or so far."""
        return BestParametersOut.model_validate(self._get(path_of("optimize", task_id, "best-params")))

    def convergence(self, task_id: str, *, points: int = 1000) -> ConvergenceOut:
        """Return how the best score grew, in at most so many points."""
        path = path_of("optimize", task_id, "convergence")
        return ConvergenceOut.model_validate(self._get(path, {"points": points}))

    def events(self, task_id: str, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the events of a task as they come, until it has ended; a lost connection loses and repeats none.

        Parameters
        ----------
        task_id : str
        after : int
            Number of the last event that is known already.
        """
        path = path_of("optimize", task_id, "events")
        while True:
            page = self._get(path, {"after": after, "wait": min(LONG_POLL, self.patience.timeout / 2)})
            for event in page["events"]:
                yield event
            after = page["seq"]
            if page["ended"]:
                return

    def watch(
        self, task_id: str, channel: ChannelName = "progress", *, after: int | None = None
    ) -> Iterator[TaskFrame]:
        """Yield what a websocket tells of a task until it has ended; a lost connection loses and repeats nothing.

        Parameters
        ----------
        task_id : str
        channel : {"progress", "results", "convergence"}
            States are told on all of them, and progress; improvements and the verdict; how the best score grows.
        after : int, optional
            Number of the last event that is known already: ``seq`` of the last frame of an earlier call, or 0 to begin
            with the first one. Without it a `SnapshotFrame` comes first.

        Yields
        ------
        SnapshotFrame, EventsFrame or EndFrame
            The last of them is an `EndFrame`, with the result where the channel has it.
        """
        following = Following(self.url, self._key, task_id, channel, after, self.patience)
        while not following.has_ended:
            try:
                with connect(following.address, **following.options) as socket:
                    while not following.has_ended:
                        frame = following.take(socket.recv())
                        if frame is not None:
                            yield frame
            except INTERRUPTIONS as error:
                time.sleep(following.pause(error))

    def history(self, task_id: str, **query: Any) -> HistoryOut:
        """Return one page of trials.

        Parameters
        ----------
        task_id : str
        **query
            ``offset``, ``limit``, ``since`` (only later trials), ``state``, ``feasible``, ``min_score``, ``max_score``,
            ``sort`` (``iteration``, ``score`` or a metric), ``order`` (``ascending``, ``descending``).
        """
        return HistoryOut.model_validate(self._get(path_of("optimize", task_id, "history"), query))

    def all_trials(self, task_id: str, **query: Any) -> Iterator[TrialOut]:
        """Yield all trials that `history` would give, page by page."""
        offset: int | None = 0
        while offset is not None:
            page = self.history(task_id, limit=200, offset=offset, **query)
            for trial in page.optimization_history:
                yield trial
            offset = page.next_offset

    def export(self, task_id: str, to: str | Path, *, form: str | None = None) -> Path:
        """Write all trials into a file: CSV, Parquet or JSON, by the ending of its name unless `form` says it."""
        kind = form or Path(to).suffix.lstrip(".").lower()
        return self._download(path_of("optimize", task_id, "export"), to, {"format": kind})

    def report(self, task_id: str, to: str | Path, *, walk_forward: bool = False) -> Path:
        """Write the report, one HTML page that needs no network; `walk_forward` takes it longer."""
        query = {"walk_forward": walk_forward}
        return self._download(path_of("optimize", task_id, "report"), to, query)

    def validation(self, task_id: str) -> dict[str, Any]:
        """Return the verdict with all its statistics."""
        return self._get(path_of("optimize", task_id, "validation"))

    def analysis(self, task_id: str) -> AnalysisOut:
        """Return what the trials say: importance, surfaces, insights, the course of the search."""
        path = path_of("optimize", task_id, "analysis")
        return AnalysisOut.model_validate(self._send("GET", path, **self._patient))

    def predict(
        self, task_id: str, parameters: Mapping[str, Any], *, metrics: Sequence[str] | None = None
    ) -> PredictionOut:
        """Return what parameters are likely to measure, with intervals."""
        asked = given(parameters=dict(parameters), metrics=None if metrics is None else list(metrics))
        path = path_of("optimize", task_id, "prediction")
        return PredictionOut.model_validate(self._send("POST", path, json=asked, **self._patient))

    def compare(self, *task_ids: str) -> CompareOut:
        """Return tasks beside each other."""
        asked = {"tasks": list(task_ids)}
        answer = self._send("POST", path_of("optimize", "compare"), json=asked, **self._patient)
        return CompareOut.model_validate(answer)

    # -- what tasks name -------------------------------------------------------------------------------------

    def strategies(self) -> list[StrategyOut]:
        """Return the strategies that tasks can name, with their parameters."""
        pages = self._pages(StrategiesOut, path_of("strategies"))
        return [strategy for page in pages for strategy in page.strategies]

    def strategy(self, name: str) -> StrategyOut:
        """Return a strategy."""
        return StrategyOut.model_validate(self._get(path_of("strategies", name)))

    def parameter_space(self, strategy: str) -> SpaceOut:
        """Return the space that one's tasks search when they bring none."""
        return SpaceOut.model_validate(self._get(path_of("optimize", "parameter-space", strategy)))

    def set_parameter_space(
        self, strategy: str, parameter_space: Mapping[str, Any], constraints: Sequence[str] = ()
    ) -> SpaceOut:
        """Keep a space for one's tasks on a strategy."""
        document = {"parameter_space": dict(parameter_space), "constraints": list(constraints)}
        path = path_of("optimize", "parameter-space", strategy)
        return SpaceOut.model_validate(self._send("PUT", path, json=document))

    def upload(
        self,
        file: str | Path,
        name: str | None = None,
        *,
        columns: Mapping[str, Any] | None = None,
        repair: Sequence[str] = (),
    ) -> DatasetDetailsOut:
        """Upload bars as CSV (also gzipped) or Parquet; what is wrong with them is told all at once."""
        path = Path(file)
        query = given(
            name=name or path.name.split(".")[0],
            columns=None if columns is None else json.dumps(dict(columns)),
            repair=list(repair) or None,
        )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ServiceError(f"the file {path} cannot be read: {error.strerror or error}") from error
        answer = self._send(
            "POST",
            path_of("datasets"),
            params=query,
            files={"file": (path.name, content)},
            **self._patient,
        )
        return DatasetDetailsOut.model_validate(answer)

    def datasets(self) -> list[DatasetOut]:
        """Return one's datasets."""
        pages = self._pages(DatasetsOut, path_of("datasets"))
        return [dataset for page in pages for dataset in page.datasets]

    def dataset(self, dataset_id: str) -> DatasetDetailsOut:
        """Return a dataset with what was found when it was checked."""
        return DatasetDetailsOut.model_validate(self._get(path_of("datasets", dataset_id)))

    def delete_dataset(self, dataset_id: str) -> None:
        """Remove a dataset that no unfinished task uses."""
        self._send("DELETE", path_of("datasets", dataset_id))

    # -- again and again, and telling others -----------------------------------------------------------------

    def schedule(self, **fields: Any) -> ScheduleOut:
        """Make a schedule: ``strategy_name=, data=, cron="30 6 * * 1", timezone=, task={...}``."""
        return ScheduleOut.model_validate(self._post(path_of("schedules"), fields))

    def schedules(self) -> list[ScheduleOut]:
        """Return one's schedules."""
        pages = self._pages(SchedulesOut, path_of("schedules"))
        return [schedule for page in pages for schedule in page.schedules]

    def change_schedule(self, schedule_id: str, **changes: Any) -> ScheduleOut:
        """Change cron, timezone, data, warm_start or enabled."""
        answer = self._send("PATCH", path_of("schedules", schedule_id), json=changes)
        return ScheduleOut.model_validate(answer)

    def run_schedule(self, schedule_id: str) -> TaskOut:
        """Make the task of a schedule now."""
        return TaskOut.model_validate(self._post(path_of("schedules", schedule_id, "run")))

    def delete_schedule(self, schedule_id: str) -> None:
        """Remove a schedule; its tasks stay."""
        self._send("DELETE", path_of("schedules", schedule_id))

    def add_webhook(self, url: str, events: Sequence[str] = ("task.ended", "verdict")) -> NewWebhookOut:
        """Tell an address of one's tasks; the secret that signs what it gets is in this answer only."""
        answer = self._post(path_of("webhooks"), {"url": url, "events": list(events)})
        return NewWebhookOut.model_validate(answer)

    def webhooks(self) -> list[WebhookOut]:
        """Return one's webhooks."""
        pages = self._pages(WebhooksOut, path_of("webhooks"))
        return [hook for page in pages for hook in page.webhooks]

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook."""
        self._send("DELETE", path_of("webhooks", webhook_id))

    # -- what earlier tasks tried ----------------------------------------------------------------------------

    def ledger(
        self, *, owner: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> LedgerPageOut:
        """Return a page of one's trial ledger, the newest first; an administrator may name its `owner`."""
        query = given(owner=owner, cursor=cursor, limit=limit)
        return LedgerPageOut.model_validate(self._get(path_of("ledger"), query))

    def reset_ledger(self, *, owner: str | None = None) -> LedgerResetOut:
        """Forget all earlier trials: later verdicts will be kinder than they should be."""
        answer = self._send("DELETE", path_of("ledger"), params=given(owner=owner))
        return LedgerResetOut.model_validate(answer)

    # -- oneself ---------------------------------------------------------------------------------------------

    def me(self) -> MeOut:
        """Return who one is, with quota and use."""
        return MeOut.model_validate(self._get(path_of("me")))

    def make_key(self, name: str, **fields: Any) -> NewKeyOut:
        """Make another key, with ``scopes=`` and ``expires_at=``; it is shown in this answer only."""
        return NewKeyOut.model_validate(self._post(path_of("keys"), {"name": name, **fields}))

    def keys(self) -> list[KeyOut]:
        """Return one's keys."""
        pages = self._pages(KeysOut, path_of("keys"))
        return [key for page in pages for key in page.keys]

    def revoke_key(self, key_id: str) -> None:
        """End a key."""
        self._send("DELETE", path_of("keys", key_id))

    # -- the service -----------------------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """Return that the service is there, and its version."""
        return self._get("/health")

    def server(self) -> dict[str, Any]:
        """Return what the service is; administrators see its settings."""
        return self._get(path_of("server"))

    # -- requests --------------------------------------------------------------------------------------------

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._send("GET", path, params=query)

    def _pages(self, model: type[P], path: str) -> list[P]:
        """Return all pages of a list."""
        pages: list[P] = []
        while not pages or pages[-1].next_cursor is not None:
            query = given(limit=200, cursor=pages[-1].next_cursor if pages else None)
            pages.append(model.model_validate(self._get(path, query)))
        return pages

    def _post(
        self, path: str, document: Mapping[str, Any] | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._send("POST", path, json=document, headers=headers)

    @property
    def _patient(self) -> dict[str, Any]:
        """What a request says that waits for something to be computed."""
        timeout = self.patience.timeout
        return {"timeout": httpx2.Timeout(timeout, read=max(timeout, COMPUTING))}

    def _send(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> dict[str, Any]:
        body = body_of(json)
        body["headers"] = {**body.get("headers", {}), **(headers or {})}
        answer = checked(self._patiently(method, path, **body, **content))
        if not answer.content:
            return {}
        try:
            document: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ServiceError(f"{self.url}{path} answered no JSON; is this a strategy-optimizer?") from error
        return document

    def _patiently(self, method: str, path: str, **content: Any) -> httpx2.Response:
        """Send a request, again where that may help, and return the last answer."""
        repeat = may_repeat(method, content.get("headers") or {})
        attempts = self.patience.retries + 1 if repeat else 1
        attempt = 0
        while True:
            attempt += 1
            asked: str | None = None
            try:
                answer = self._http.request(method, path, **content)
                if attempt == attempts or not passes(answer.status_code):
                    return answer
                asked = answer.headers.get("retry-after")
            except httpx2.TransportError as error:
                if attempt == attempts:
                    raise unreachable(self.url, error, attempts) from error
            time.sleep(self.patience.before(attempt, asked))

    def _download(self, path: str, to: str | Path, query: Mapping[str, Any] | None = None) -> Path:
        """Write an answer into a file that is there only when it is whole."""
        target = Path(to)
        partial = target.with_name(target.name + ".part")
        try:
            with self._http.stream("GET", path, params=query, **self._patient) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    checked(answer)
                with partial.open("wb") as file:
                    for piece in answer.iter_bytes(_PIECE):
                        file.write(piece)
            partial.replace(target)
        except httpx2.TransportError as error:
            raise unreachable(self.url, error, 1) from error
        except OSError as error:
            raise ServiceError(f"the file {target} cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                partial.unlink()
        return target
