"""Users, their keys and quotas, and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from strategy_optimizer.access.keys import NewKey, check_name
from strategy_optimizer.access.passwords import check_password
from strategy_optimizer.access.principal import ROLE_SCOPES, in_order
from strategy_optimizer.api.authentication import address_of
from strategy_optimizer.api.dependencies import Caller, TheService, TheStore
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.errors import AccountError, NotAllowedError
from strategy_optimizer.models.accounts import (
    AuditEntryOut,
    AuditPageOut,
    KeyIn,
    KeyOut,
    KeysOut,
    MeOut,
    NewKeyOut,
    PasswordChangeIn,
    PasswordIn,
    QuotaIn,
    QuotaOut,
    UsageOut,
    UserChangeIn,
    UserIn,
    UserOut,
    UsersOut,
)
from strategy_optimizer.storage import ApiKeyRecord, Quota, Store, UserRecord

router = Router(prefix="/api/v1")
_ID = r"^[A-Za-z0-9_.-]+$"
UserId = Annotated[str, Path(max_length=64, pattern=_ID, examples=["user_9c2f41d07ab35e68"])]
KeyId = Annotated[str, Path(max_length=64, pattern=_ID, examples=["key_0f6be2a94d7715c3"])]
KeyPage = Annotated[AskedPage, asked_page(Literal["created", "name"])]
ActorId = Annotated[str | None, Query(max_length=64, pattern=_ID, description="id of a user")]

# -- oneself --------------------------------------------------------------------------------------------------


@router.get("/me", tags=["me"])
def get_me(caller: Caller, store: TheStore) -> MeOut:
    """Return who calls, and what this key or session may do."""
    return MeOut(
        user=_user(store.accounts.user(caller.user_id)),
        scopes=list(in_order(caller.scopes)),
        key_id=caller.key_id,
        expires_at=caller.expires,
        quota=_quota(store, caller.user_id),
        usage=_usage(store, caller.user_id),
    )


@router.put("/me/password", status_code=204, tags=["me"])
def change_my_password(
    change: PasswordChangeIn, caller: Caller, service: TheService, request: Request
) -> None:
    """Change one's password; all one's sessions end, and keys stay."""
    user = service.store.accounts.user(caller.user_id)
    check_password(change.new, user.name)
    if user.password_hash is not None:
        service.gate.confirm(caller, change.present or "", address_of(request))
    elif caller.scopes != ROLE_SCOPES[caller.role] or (caller.key_id and caller.expires):
        # A password would give more, and for longer, than this key.
        raise NotAllowedError("the first password needs a key that has all scopes of its user, and no end")
    service.gate.sessions.set_password(user.id, change.new)


@router.get("/keys", tags=["keys"])
def list_my_keys(caller: Caller, store: TheStore, page: KeyPage) -> KeysOut:
    """List one's keys, by default the oldest first, with those that have ended."""
    return _keys(store, caller.user_id, page)


@router.post("/keys", status_code=201, tags=["keys"])
def make_my_key(new: KeyIn, caller: Caller, service: TheService, response: Response) -> NewKeyOut:
    """Make a key of one's own, which is shown this once. It gives no more than what it is made with."""
    return _made(
        service.gate.keys.create(
            caller.user_id, new.name, scopes=new.scopes, expires=new.expires_at, by=caller
        ),
        response,
    )


@router.delete("/keys/{key_id}", status_code=204, tags=["keys"])
def revoke_key(key_id: KeyId, caller: Caller, service: TheService) -> None:
    """Revoke a key, for ever; an administrator may revoke everybody's. Asking again changes nothing."""
    key = service.store.accounts.key(key_id, user_id=caller.owner)
    if key.id != caller.key_id and not caller.scopes.issuperset(key.scopes):
        raise NotAllowedError(f"the key {key.prefix} has more scopes than yours; log in to revoke it")
    service.gate.keys.revoke(key.id)


# -- users ----------------------------------------------------------------------------------------------------


@router.get("/users", tags=["users"])
def list_users(
    store: TheStore, page: Annotated[AskedPage, asked_page(Literal["name", "created"])]
) -> UsersOut:
    """List all users, by default by name."""
    found = store.accounts.page_of_users(page.listing)
    return UsersOut(
        users=[_user(user) for user in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.post("/users", status_code=201, tags=["users"])
def make_user(new: UserIn, service: TheService, response: Response) -> UserOut:
    """Make a user, with a password or, later, with keys."""
    name = new.name.strip()
    check_name(name, "user")
    hashed = None if new.password is None else service.gate.hash_password(new.password, name)
    user = service.store.accounts.add_user(name, new.role, password_hash=hashed)
    response.headers["Location"] = f"{router.prefix}/users/{user.id}"
    return _user(user)


@router.get("/users/{user_id}", tags=["users"])
def get_user(user_id: UserId, store: TheStore) -> UserOut:
    """Return a user."""
    return _user(store.accounts.user(user_id))


@router.patch("/users/{user_id}", tags=["users"])
def change_user(user_id: UserId, change: UserChangeIn, service: TheService, request: Request) -> UserOut:
    """Change the role of a user, or disable the user, whose keys and sessions are refused from then on.

    Users are not deleted: their tasks and the audit log name them.
    """
    if change.role is None and change.disabled is None:
        raise AccountError("nothing is to be changed; give role or disabled")
    request.state.audit = change.model_dump(exclude_none=True)
    return _user(service.gate.change_user(user_id, role=change.role, disabled=change.disabled))


@router.put("/users/{user_id}/password", status_code=204, tags=["users"])
def set_password(user_id: UserId, new: PasswordIn, service: TheService) -> None:
    """Set a user's password; all sessions of the user end, and keys stay."""
    service.gate.sessions.set_password(user_id, new.password)


@router.get("/users/{user_id}/keys", tags=["users"])
def list_keys(user_id: UserId, store: TheStore, page: KeyPage) -> KeysOut:
    """List a user's keys, by default the oldest first, with those that have ended."""
    return _keys(store, store.accounts.user(user_id).id, page)


@router.post("/users/{user_id}/keys", status_code=201, tags=["users"])
def make_key(
    user_id: UserId, new: KeyIn, caller: Caller, service: TheService, response: Response
) -> NewKeyOut:
    """Make a key of a user, which is shown this once."""
    return _made(
        service.gate.keys.create(user_id, new.name, scopes=new.scopes, expires=new.expires_at, by=caller),
        response,
    )


@router.get("/users/{user_id}/quota", tags=["users"])
def get_quota(user_id: UserId, store: TheStore) -> QuotaOut:
    """Return what a user may use, and uses."""
    user = store.accounts.user(user_id)
    return QuotaOut(quota=_quota(store, user.id), usage=_usage(store, user.id))


@router.put("/users/{user_id}/quota", tags=["users"])
def set_quota(user_id: UserId, quota: QuotaIn, store: TheStore, request: Request) -> QuotaOut:
    """Set what a user may use, all of it: what is left out has no limit."""
    values = quota.model_dump()
    store.accounts.set_quota(user_id, Quota(**values))
    request.state.audit = values
    return get_quota(user_id, store)


# -- the audit log --------------------------------------------------------------------------------------------


@router.get("/audit", tags=["audit"])
def read_audit_log(
    store: TheStore,
    actor: ActorId = None,
    before: Annotated[
        int | None, Query(ge=0, lt=2**62, description="`next_before` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AuditPageOut:
    """Return lines of the audit log, the newest first."""
    found = store.accounts.log(actor=actor, before=before, limit=limit + 1)
    page = found[:limit]
    return AuditPageOut(
        entries=[
            AuditEntryOut(
                number=line.number,
                at=line.at,
                actor=line.actor,
                action=line.action,
                target=line.target,
                address=line.address,
                details=dict(line.details),
            )
            for line in page
        ],
        next_before=page[-1].number if len(found) > limit else None,
    )


# -- records as they are shown --------------------------------------------------------------------------------


def _user(user: UserRecord) -> UserOut:
    return UserOut(
        user_id=user.id,
        name=user.name,
        role=user.role,  # type: ignore[arg-type]  # the model checks it
        disabled=user.disabled,
        has_password=user.password_hash is not None,
        created_at=user.created,
    )


def _key_values(key: ApiKeyRecord) -> dict[str, object]:
    return {
        "key_id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "created_at": key.created,
        "expires_at": key.expires,
        "revoked_at": key.revoked,
        "last_used_at": key.last_used,
    }


def _keys(store: Store, user_id: str, page: AskedPage) -> KeysOut:
    found = store.accounts.page_of_keys(user_id, page.listing)
    return KeysOut(
        keys=[KeyOut.model_validate(_key_values(key)) for key in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


def _made(key: NewKey, response: Response) -> NewKeyOut:
    response.headers["Location"] = f"{router.prefix}/keys/{key.record.id}"
    return NewKeyOut.model_validate({**_key_values(key.record), "key": key.text})


def _quota(store: Store, user_id: str) -> QuotaIn:
    return QuotaIn(**vars(store.accounts.quota(user_id)))


def _usage(store: Store, user_id: str) -> UsageOut:
    return UsageOut(**vars(store.accounts.usage(user_id)))
