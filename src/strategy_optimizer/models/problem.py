"""What the service answers when it cannot do what was asked."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from strategy_optimizer.models.base import Model


class ProblemModel(Model):
    """An error as RFC 9457 has it; programs compare ``type``, people read ``detail``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/invalid-space",
                    "title": "invalid space",
                    "status": 422,
                    "detail": "parameter 'lookback_period': the bounds (100, 10) are reversed",
                    "details": {"parameter": "lookback_period"},
                    "instance": "/api/v1/optimize/start",
                    "request_id": "9f2c1a7be0d34b55",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    details: dict[str, Any] = Field(default_factory=dict)
    instance: str
    request_id: str | None = None
