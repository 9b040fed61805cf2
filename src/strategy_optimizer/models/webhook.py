"""Webhooks as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field, StrictBool

from strategy_optimizer.models.base import Model, PageModel

WebhookEvent = Literal["task.ended", "verdict"]


class WebhookIn(Model):
    """Where to tell of one's tasks."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": "https://example.com/hooks/so", "events": ["task.ended"]}]}
    )

    url: str = Field(min_length=1, max_length=2000)
    events: list[WebhookEvent] = Field(default=["task.ended", "verdict"], min_length=1, max_length=2)


class WebhookChangeIn(Model):
    """What of a webhook changes; fields that are not given stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    url: str | None = Field(default=None, min_length=1, max_length=2000)
    events: list[WebhookEvent] | None = Field(default=None, min_length=1, max_length=2)
    enabled: StrictBool | None = None


class WebhookOut(Model):
    """A webhook."""

    webhook_id: str
    owner: str
    url: str
    events: list[WebhookEvent]
    enabled: bool
    created_at: datetime


class NewWebhookOut(WebhookOut):
    """A webhook that was just made; the secret that signs what it gets is shown this once."""

    secret: str


class WebhooksOut(PageModel):
    """One's webhooks."""

    webhooks: list[WebhookOut]


class DeliveryOut(Model):
    """One event for a webhook."""

    delivery_id: str
    task_id: str
    event: WebhookEvent
    created_at: datetime
    attempts: int
    next_attempt: datetime | None = Field(description="null when it arrived, or was given up")
    delivered_at: datetime | None
    status: int | None = Field(description="of the last answer")
    error: str | None


class DeliveriesOut(PageModel):
    """What a webhook was told."""

    deliveries: list[DeliveryOut]
