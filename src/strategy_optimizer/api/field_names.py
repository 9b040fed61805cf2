"""The field that the writer of a request may have meant, where one was sent that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from starlette.requests import HTTPConnection

from strategy_optimizer.errors import nearest_name


def unknown_field(connection: HTTPConnection, where: Sequence[str]) -> str:
    """Say that a body has no field at `where`, ``("body", "optimization_config", "budgt")``, and what comes near."""
    *path, name = where[1:]
    body = getattr(connection.scope.get("route"), "body_field", None)
    models = [] if body is None else [*_models(body.field_info.annotation)]
    for part in path:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        models = [model for annotation in fields for model in _models(annotation)]
    known = sorted({field for model in models for field in model.model_fields})
    return f"there is no such field{nearest_name(name[:100], known)}"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models of a type: itself, and those of its members where it is a union or an annotated type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
