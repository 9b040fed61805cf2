"""The trial ledger: which earlier tasks weigh on the verdicts of the next."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.dependencies import Caller, TheStore
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.errors import NotStoredError
from strategy_optimizer.models.ledger import LedgerEntryOut, LedgerPageOut, LedgerResetOut
from strategy_optimizer.storage import LedgerRecord, Store
from strategy_optimizer.storage.ledger import OLD

router = Router(prefix="/api/v1/ledger", tags=["ledger"])
Owner = Annotated[
    str | None,
    Query(
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="id of the user whose ledger is meant, for administrators; one's own by default",
    ),
]


@router.get("")
def get_ledger(
    caller: Caller,
    store: TheStore,
    page: Annotated[AskedPage, asked_page(Literal["recorded"], "descending")],
    owner: Owner = None,
) -> LedgerPageOut:
    """List what the ledger has, the newest first: each task that made trials, also those that are gone.

    A task counts the trials of all that searched at least half of its bars.
    """
    whose = _owner(caller, store, owner)
    found = store.ledger.page(whose, page.listing)
    return LedgerPageOut(
        owner=whose,
        entries=[_shown(record) for record in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.delete("")
def reset_ledger(caller: Caller, store: TheStore, request: Request, owner: Owner = None) -> LedgerResetOut:
    """Forget all earlier trials. Later verdicts will be kinder than they should be; the audit log tells who did it."""
    whose = _owner(caller, store, owner)
    removed = store.ledger.clear(whose)
    request.state.audit = {"owner": whose, "removed": removed}
    return LedgerResetOut(owner=whose, removed=removed)


def _owner(caller: Principal, store: Store, asked: str | None) -> str:
    """Return whose ledger is meant; to all but administrators there are no other users."""
    if asked is None or asked == caller.user_id:
        return caller.user_id
    if caller.owner is not None:
        raise NotStoredError(f"there is no user {asked!r}")
    return store.accounts.user(asked).id


def _shown(record: LedgerRecord) -> LedgerEntryOut:
    known = {name: value for name, value in record.summary.items() if name not in ("task_id", "recorded")}
    task = None if record.task.startswith(OLD) else record.task
    return LedgerEntryOut(task_id=task, recorded_at=record.recorded, **known)
