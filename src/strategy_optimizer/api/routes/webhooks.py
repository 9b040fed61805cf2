"""Webhooks: tell another service when a task ends, and what its verdict is."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from fastapi import Path, Response

from strategy_optimizer.api.dependencies import Caller, TheService, TheStore
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.errors import QuotaError
from strategy_optimizer.models.webhook import (
    DeliveriesOut,
    DeliveryOut,
    NewWebhookOut,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
    WebhooksOut,
)
from strategy_optimizer.storage import WebhookRecord
from strategy_optimizer.workers.outside import find_target

router = Router(prefix="/api/v1/webhooks", tags=["webhooks"])
WebhookId = Annotated[str, Path(max_length=64)]
MOST = 20
"""Webhooks of one user."""


@router.post("", status_code=201)
def make_webhook(hook: WebhookIn, caller: Caller, service: TheService, response: Response) -> NewWebhookOut:
    """Make a webhook for one's own tasks. Its secret is shown this once."""
    store = service.store
    if len(store.webhooks.all(owner=caller.user_id)) >= MOST:
        raise QuotaError(
            f"you have {MOST} webhooks, the most that there can be; remove one that is not needed",
            quota="webhooks",
            limit=MOST,
            used=MOST,
            asked=1,
        )
    find_target(hook.url, private=service.settings.private_webhooks)
    secret = secrets.token_urlsafe(32)
    made = store.webhooks.add(caller.user_id, url=hook.url, secret=secret, events=sorted(set(hook.events)))
    response.headers["Location"] = f"{router.prefix}/{made.id}"
    return NewWebhookOut(**_fields(made), secret=secret)


@router.get("")
def list_webhooks(
    caller: Caller, store: TheStore, page: Annotated[AskedPage, asked_page(Literal["created"])]
) -> WebhooksOut:
    """List one's webhooks, by default the oldest first; an administrator sees everybody's."""
    found = store.webhooks.page(page.listing, owner=caller.owner)
    return WebhooksOut(
        webhooks=[WebhookOut(**_fields(hook)) for hook in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.get("/{webhook_id}")
def get_webhook(webhook_id: WebhookId, caller: Caller, store: TheStore) -> WebhookOut:
    """Return a webhook."""
    return WebhookOut(**_fields(store.webhooks.get(webhook_id, owner=caller.owner)))


@router.patch("/{webhook_id}")
def change_webhook(
    webhook_id: WebhookId, change: WebhookChangeIn, caller: Caller, service: TheService
) -> WebhookOut:
    """Change a webhook, or switch it off for a while."""
    store = service.store
    store.webhooks.get(webhook_id, owner=caller.owner)
    given = change.model_dump(exclude_unset=True, exclude_none=True)
    if "url" in given:
        find_target(given["url"], private=service.settings.private_webhooks)
    if "events" in given:
        given["events"] = sorted(set(given["events"]))
    return WebhookOut(**_fields(store.webhooks.change(webhook_id, **given)))


@router.delete("/{webhook_id}", status_code=204)
def remove_webhook(webhook_id: WebhookId, caller: Caller, store: TheStore) -> None:
    """Remove a webhook; what was not delivered yet is dropped."""
    store.webhooks.get(webhook_id, owner=caller.owner)
    store.webhooks.remove(webhook_id)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: WebhookId,
    caller: Caller,
    store: TheStore,
    page: Annotated[AskedPage, asked_page(Literal["created"], "descending")],
) -> DeliveriesOut:
    """List what a webhook was told, and what it will be, by default the newest first."""
    store.webhooks.get(webhook_id, owner=caller.owner)
    found = store.webhooks.page_of_deliveries(webhook_id, page.listing)
    return DeliveriesOut(
        deliveries=[
            DeliveryOut(
                delivery_id=each.id,
                task_id=each.task_id,
                event=each.event,  # type: ignore[arg-type]  # checked by the model
                created_at=each.created,
                attempts=each.attempts,
                next_attempt=each.due,
                delivered_at=each.delivered,
                status=each.status,
                error=each.error,
            )
            for each in found.rows
        ],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


def _fields(hook: WebhookRecord) -> dict[str, Any]:
    return {
        "webhook_id": hook.id,
        "owner": hook.owner,
        "url": hook.url,
        "events": list(hook.events),
        "enabled": hook.enabled,
        "created_at": hook.created,
    }
