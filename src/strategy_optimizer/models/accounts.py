"""Users, their keys, sessions and quotas, and the audit log as the service takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, StrictBool, StringConstraints

from strategy_optimizer.models.base import Model, Moment, PageModel, Whole

Role: TypeAlias = Literal["viewer", "operator", "admin"]
Scope: TypeAlias = Literal["read", "run", "admin"]
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
Password: TypeAlias = Annotated[str, StringConstraints(max_length=1024)]
Count: TypeAlias = Annotated[Whole | None, Field(ge=0, lt=2**31)]
LargeCount: TypeAlias = Annotated[Whole | None, Field(ge=0, lt=2**62)]

_USER = {
    "user_id": "user_9c2f41d07ab35e68",
    "name": "ada",
    "role": "operator",
    "disabled": False,
    "has_password": True,
    "created_at": "2026-11-29T21:00:00Z",
}
_QUOTA = {
    "running_tasks": 2,
    "queued_tasks": 50,
    "trials_a_day": 1_000_000,
    "memory": 2**33,
    "datasets": 20,
    "dataset_bytes": 2**31,
}
_USAGE = {"running_tasks": 1, "queued_tasks": 3, "trials_today": 41_200, "datasets": 2, "memory": 2**32}
_KEY = {
    "key_id": "key_0f6be2a94d7715c3",
    "name": "laptop",
    "prefix": "so_4fGh81Zq",
    "scopes": ["read", "run"],
    "created_at": "2026-11-29T21:00:00Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


# -- users ----------------------------------------------------------------------------------------------------


class UserIn(Model):
    """A user to be made. Without a password there are only keys."""

    model_config = _example({"name": "ada", "role": "operator", "password": "correct horse battery staple"})

    name: Name
    role: Role = "viewer"
    password: Password | None = Field(default=None, repr=False)


class UserChangeIn(Model):
    """What changes of a user; what is left out stays."""

    model_config = _example({"role": "viewer"})

    role: Role | None = None
    disabled: StrictBool | None = None


class PasswordIn(Model):
    """A password that an administrator sets: 12 to 256 letters."""

    model_config = _example({"password": "correct horse battery staple"})

    password: Password = Field(repr=False)


class PasswordChangeIn(Model):
    """One's own new password: 12 to 256 letters."""

    model_config = _example(
        {"present": "correct horse battery staple", "new": "another horse battery staple"}
    )

    present: Password | None = Field(
        default=None, repr=False, description="not needed where there is none yet"
    )
    new: Password = Field(repr=False)


class UserOut(Model):
    """A user."""

    model_config = _example(_USER)

    user_id: str
    name: str
    role: Role
    disabled: bool
    has_password: bool
    created_at: datetime


class UsersOut(PageModel):
    """All users."""

    users: list[UserOut]


# -- quotas ---------------------------------------------------------------------------------------------------


class QuotaIn(Model):
    """What a user may use; null, or left out, sets no limit beside those of the service."""

    model_config = _example(_QUOTA)

    running_tasks: Count = Field(default=None, description="tasks that run at once")
    queued_tasks: Count = Field(default=None, description="tasks that wait at once")
    trials_a_day: LargeCount = Field(default=None, description="trials from midnight to midnight UTC")
    memory: LargeCount = Field(
        default=None,
        description="bytes that all tasks which run at once may take together, by their field memory",
    )
    datasets: Count = Field(default=None, description="datasets that are kept; null: 100")
    dataset_bytes: LargeCount = Field(default=None, description="bytes of all of them; null: 2 GB")


class UsageOut(Model):
    """What a user uses now."""

    running_tasks: int
    queued_tasks: int
    trials_today: int
    datasets: int
    memory: int = Field(description="bytes that the running tasks may take together")


class QuotaOut(Model):
    """What a user may use, and uses."""

    model_config = _example({"quota": _QUOTA, "usage": _USAGE})

    quota: QuotaIn
    usage: UsageOut


class MeOut(Model):
    """Who calls, and what this key or session may do."""

    model_config = _example(
        {
            "user": _USER,
            "scopes": ["read", "run"],
            "key_id": None,
            "expires_at": "2026-12-06T21:00:00Z",
            "quota": _QUOTA,
            "usage": _USAGE,
        }
    )

    user: UserOut
    scopes: list[Scope]
    key_id: str | None = Field(description="the key that was shown; null with a session")
    expires_at: datetime | None = Field(description="when this key or session ends by itself")
    quota: QuotaIn
    usage: UsageOut


# -- keys -----------------------------------------------------------------------------------------------------


class KeyIn(Model):
    """A key to be made."""

    model_config = _example({"name": "laptop", "scopes": ["read"], "expires_at": None})

    name: Name
    scopes: list[Scope] | None = Field(
        default=None, min_length=1, max_length=3, description="all of the user's by default"
    )
    expires_at: Moment | None = None


class KeyOut(Model):
    """A key, without its secret."""

    model_config = _example(_KEY)

    key_id: str
    name: str
    prefix: str = Field(description="what the key begins with")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class NewKeyOut(KeyOut):
    """A key that was just made; it is shown this once."""

    model_config = _example({**_KEY, "key": "so_4fGh81Zq_" + 43 * "x" + "1nQ0cG"})

    key: str = Field(repr=False)


class KeysOut(PageModel):
    """A user's keys."""

    keys: list[KeyOut]


# -- sessions -------------------------------------------------------------------------------------------------


class LoginIn(Model):
    """A name and a password."""

    model_config = _example({"name": "ada", "password": "correct horse battery staple"})

    name: Name
    password: Password = Field(repr=False)


class SessionOut(Model):
    """A session; its secret is in the cookie alone."""

    model_config = _example(
        {
            "user_id": "user_9c2f41d07ab35e68",
            "name": "ada",
            "role": "operator",
            "ends_at": "2026-12-06T21:00:00Z",
        }
    )

    user_id: str
    name: str
    role: Role
    ends_at: datetime = Field(description="at the latest; after 12 hours without a request before that")


class TicketOut(Model):
    """A ticket: ``?ticket=`` it opens one socket."""

    model_config = _example({"ticket": "st_" + 43 * "x", "expires_at": "2026-11-29T21:00:30Z"})

    ticket: str = Field(repr=False)
    expires_at: datetime


# -- the audit log --------------------------------------------------------------------------------------------


class AuditEntryOut(Model):
    """Who did what to what, from where."""

    model_config = _example(
        {
            "number": 812,
            "at": "2026-11-29T21:00:00Z",
            "actor": "user_9c2f41d07ab35e68",
            "action": "task.create",
            "target": "opt_4f1c2a90b7d3e865",
            "address": "127.0.0.1",
            "details": {"key": "key_0f6be2a94d7715c3", "request": "9f2c1a7be0d34b55"},
        }
    )

    number: int
    at: datetime
    actor: str | None = Field(description="id of the user; null where it is not known who")
    action: str
    target: str
    address: str
    details: dict[str, Any]


class AuditPageOut(Model):
    """Lines of the audit log, the newest first."""

    entries: list[AuditEntryOut]
    next_before: int | None = Field(description="`before` of the next page; null on the last")
