"""What the OpenAPI document says beyond what the routes say themselves: who may, which errors, what follows on what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from importlib import resources
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from strategy_optimizer.access.policy import POLICY, Rule
from strategy_optimizer.api.authentication import describe_security
from strategy_optimizer.api.problems import MEDIA_TYPE
from strategy_optimizer.models.frames import Frame
from strategy_optimizer.models.problem import ProblemModel

PROBLEMS: Mapping[int, tuple[str, str]] = {
    400: ("Malformed", "the body cannot be read, such as broken JSON"),
    401: ("NotAuthenticated", "no key, or one that is wrong, has ended or was revoked"),
    403: ("NotAllowed", "the key, or the role of its user, does not reach so far"),
    404: ("NotFound", "there is none, or it is somebody else's"),
    409: ("Conflict", "as things are now it cannot be done: the state, or the name, is in the way"),
    413: ("TooLarge", "the body is larger than what is taken here"),
    415: ("UnsupportedMediaType", "the body is of a kind that is not taken here"),
    422: ("Invalid", "a value is wrong; `details` names each of them"),
    429: ("TooMany", "too many requests, or a quota is used up; `Retry-After` may say when to ask again"),
    500: ("Fault", "a fault of the service; its log says more, under the `request_id`"),
    503: ("Unavailable", "the database does not answer, or too much is computed; ask again"),
    504: ("TooLong", "it takes longer to compute than it may"),
}
"""Name of the component and what it means, by status."""
COMPUTED = (
    "get_analysis",
    "predict",
    "compare_tasks",
    "get_report",
    "export_history",
    "upload_dataset",
    "engine_health",
    "run_engine_backtest",
)
"""Operations that child processes do, which may be busy or take too long."""
NEED_TRIALS = ("get_results", "get_best_parameters", "get_validation", "get_analysis", "get_report")
"""Operations that only read, and refuse a task that has no trials, or no result, yet."""
NAME_OTHERS = ("compare_tasks", "get_ledger", "reset_ledger")
"""Operations that name what may not be there, though not in their path."""
MADE: Mapping[str, tuple[str, str]] = {
    "start_task": ("task_id", "task_id"),
    "clone_task": ("task_id", "task_id"),
    "rerun_task": ("task_id", "task_id"),
    "run_schedule": ("task_id", "task_id"),
    "make_schedule": ("schedule_id", "schedule_id"),
    "make_webhook": ("webhook_id", "webhook_id"),
    "upload_dataset": ("dataset_id", "id"),
    "make_user": ("user_id", "user_id"),
    "make_my_key": ("key_id", "key_id"),
    "make_key": ("key_id", "key_id"),
}
"""What creating operations make: the path parameter that names it, and the field of the answer that holds it."""
_METHODS = ("get", "post", "put", "patch", "delete")


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an app, complete."""
    document = describe_security(deepcopy(app.openapi()))  # requests at once must not share it
    components = document["components"]
    components["responses"] = {name: _problem(text) for name, text in PROBLEMS.values()}
    components["schemas"]["ProblemModel"] = ProblemModel.model_json_schema()
    _add_frames(components["schemas"])
    for name, example in examples().items():
        components["schemas"][name].setdefault("examples", [example])
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for method, path, operation in operations(document):
        responses = operation["responses"]
        if "HTTPValidationError" in str(responses.get("422")):  # FastAPI's own, which problems.py replaces
            del responses["422"]
        for status in statuses(method, path, operation):
            if (said := responses.get(str(status))) is not None:  # the route's own answer, or a problem
                said["content"].update(_problem("")["content"])
            else:
                responses[str(status)] = {"$ref": f"#/components/responses/{PROBLEMS[status][0]}"}
    components["links"] = _links(document)
    for _, _, operation in operations(document):
        if operation["operationId"] in MADE:
            _link(operation, components["links"])
    return document


@lru_cache(1)
def examples() -> dict[str, Any]:
    """Return an answer of a real service for models that have no example of their own, by their names."""
    text = resources.files("strategy_optimizer.api").joinpath("examples.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method (in capitals), path and description of every operation of a document."""
    for path, found in document["paths"].items():
        for method in _METHODS:
            if method in found:
                yield method.upper(), path, found[method]


def statuses(method: str, path: str, operation: Mapping[str, Any]) -> list[int]:
    """Return the statuses of the problems that an operation may answer with."""
    name = operation["operationId"]
    rule: Rule = POLICY[method, path]
    found = {422, 429, 500}
    if rule.scope is not None:
        found |= {401, 403, 503}
    if name == "log_in":
        found |= {401, 403, 503}
    if "{" in path or name in NAME_OTHERS:
        found.add(404)
    if "requestBody" in operation:
        found |= {400, 404, 413, 415}
    if method != "GET" or name in NEED_TRIALS:
        found.add(409)
    if name in COMPUTED:
        found |= {503, 504}
    return sorted(found)


def _problem(text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemModel"}
    return {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}


def _add_frames(schemas: dict[str, Any]) -> None:
    """Add what sockets send, which OpenAPI has no place for, as the component ``Frame``: clients need its types."""
    frame = TypeAdapter(Frame).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    for name, schema in frame.pop("$defs").items():
        schemas.setdefault(name, schema)
    schemas["Frame"] = frame


def _links(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link to each operation on something that another one made."""
    made = dict(MADE.values())
    return {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {name: f"$response.body#/{made[name]}"},
        }
        for _, path, operation in operations(document)
        for name in made
        if f"{{{name}}}" in path
    }


def _link(operation: dict[str, Any], links: Mapping[str, Any]) -> None:
    name, _ = MADE[operation["operationId"]]
    operation["responses"]["201"]["links"] = {
        target: {"$ref": f"#/components/links/{target}"}
        for target, link in links.items()
        if name in link["parameters"]
    }
