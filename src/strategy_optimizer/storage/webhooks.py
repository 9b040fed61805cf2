"""Webhooks, and what is to be sent to them. A delivery is stored in the transaction that stores what it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.catalogue_records import DeliveryRecord, WebhookRecord
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.states import ENDED
from strategy_optimizer.storage.table_access import TableAccess, new_id, record_columns
from strategy_optimizer.storage.tables import deliveries, tasks, webhooks
from strategy_optimizer.storage.task_records import NewEvent

TASK_ENDED, VERDICT = "task.ended", "verdict"
_CHANGEABLE = {"url", "events", "enabled"}


class WebhookStore(TableAccess):
    """Webhooks of users, and their deliveries."""

    def add(self, owner: str, *, url: str, secret: str, events: Sequence[str]) -> WebhookRecord:
        """Store a webhook.

        Raises
        ------
        NotStoredError
            When there is no such owner.
        """
        hook = WebhookRecord(new_id("hook"), owner, url, secret, tuple(events), True, self.now())
        self.insert_once(webhooks, {**vars(hook), "events": list(events)}, "the webhook")
        return hook

    def get(self, hook_id: str, *, owner: str | None = None) -> WebhookRecord:
        """Return a webhook; with `owner`, somebody else's does not exist.

        Raises
        ------
        NotStoredError
        """
        wanted = webhooks.c.id == hook_id
        if owner is not None:
            wanted &= webhooks.c.owner == owner
        return self.get_row(webhooks, WebhookRecord, wanted, f"there is no webhook {hook_id!r}")

    def all(self, *, owner: str | None = None) -> list[WebhookRecord]:
        """Return the webhooks, the oldest first."""
        wanted = [] if owner is None else [webhooks.c.owner == owner]
        return self.list_rows(webhooks, WebhookRecord, *wanted, order=[webhooks.c.created, webhooks.c.id])

    def page(self, listing: Listing, *, owner: str | None = None) -> Page[WebhookRecord]:
        """Return a part of the webhooks."""
        wanted = [] if owner is None else [webhooks.c.owner == owner]
        return self.page_rows(webhooks, WebhookRecord, listing, *wanted)

    def change(self, hook_id: str, **values: Any) -> WebhookRecord:
        """Change url, events or enabled."""
        unknown = values.keys() - _CHANGEABLE
        if unknown:
            raise StorageError(f"{', '.join(sorted(unknown))} of a webhook cannot be changed")
        if values:
            self.change_rows(webhooks, webhooks.c.id == hook_id, **values)
        return self.get(hook_id)

    def remove(self, hook_id: str) -> None:
        """Remove a webhook with its deliveries; nothing happens when there is none."""
        self.remove_rows(webhooks, webhooks.c.id == hook_id)

    # -- deliveries ------------------------------------------------------------------------------------------

    def deliveries(self, hook_id: str, *, limit: int = 100) -> list[DeliveryRecord]:
        """Return a webhook's deliveries, the newest first."""
        order = [deliveries.c.created.desc(), deliveries.c.id]
        return self.list_rows(
            deliveries, DeliveryRecord, deliveries.c.webhook_id == hook_id, order=order, limit=limit
        )

    def page_of_deliveries(self, hook_id: str, listing: Listing) -> Page[DeliveryRecord]:
        """Return a part of a webhook's deliveries."""
        return self.page_rows(deliveries, DeliveryRecord, listing, deliveries.c.webhook_id == hook_id)

    def take_due(self, *, hold: float, limit: int = 20) -> list[DeliveryRecord]:
        """Return deliveries that are to be tried now; nobody else gets them for `hold` seconds."""

        def work(transaction: Transaction) -> list[DeliveryRecord]:
            now = transaction.now()
            due = (
                select(deliveries.c.id)
                .where(deliveries.c.due <= now)
                .order_by(deliveries.c.due)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            ids = list(transaction.connection.execute(due).scalars())
            taken = (
                update(deliveries)
                .where(deliveries.c.id.in_(ids))
                .values(due=now + timedelta(seconds=hold), attempts=deliveries.c.attempts + 1)
                .returning(*record_columns(deliveries, DeliveryRecord))
            )
            return [DeliveryRecord(**row._mapping) for row in transaction.connection.execute(taken)]

        return self._database.write(work)

    def settle(
        self, delivery_id: str, *, status: int | None, error: str | None, again: datetime | None
    ) -> None:
        """Note how an attempt went; `again` is when the next one is due, None for no more."""
        self.change_rows(
            deliveries,
            deliveries.c.id == delivery_id,
            status=status,
            error=error,
            due=again,
            delivered=self.now() if error is None else None,
        )


def deliver_events(transaction: Transaction, task_id: str, events: Sequence[NewEvent], now: datetime) -> None:
    """Store a delivery of each of these events for each webhook of the task's owner that wants it."""
    wanted = [name for name in map(_name_of, events) if name is not None]
    if not wanted:
        return
    hooks = transaction.connection.execute(
        select(webhooks.c.id, webhooks.c.events)
        .join(tasks, tasks.c.owner == webhooks.c.owner)
        .where(tasks.c.id == task_id, webhooks.c.enabled)
    ).all()
    rows = [
        {
            "id": new_id("delivery"),
            "webhook_id": hook.id,
            "task_id": task_id,
            "event": name,
            "created": now,
            "due": now,
            "attempts": 0,
        }
        for hook in hooks
        for name in wanted
        if name in hook.events
    ]
    if rows:
        transaction.connection.execute(insert(deliveries), rows)


def _name_of(event: NewEvent) -> str | None:
    if event.kind == "state" and event.data.get("state") in ENDED:
        return TASK_ENDED
    return VERDICT if event.kind == "verdict" else None
