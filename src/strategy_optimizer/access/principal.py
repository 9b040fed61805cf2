"""Roles, scopes, and who asks.

A role says what a user may do at all; the scopes of a key say what of it the key may do. A request has the scopes
that both give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from strategy_optimizer.errors import AccountError

Role: TypeAlias = Literal["viewer", "operator", "admin"]
Scope: TypeAlias = Literal["read", "run", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

ROLE_SCOPES: Mapping[Role, frozenset[Scope]] = {
    "viewer": frozenset(("read",)),
    "operator": frozenset(("read", "run")),
    "admin": frozenset(("read", "run", "admin")),
}


@dataclass(frozen=True)
class Principal:
    """Who asks, and what they may do.

    Attributes
    ----------
    user_id, name : str
    role : {"viewer", "operator", "admin"}
    scopes : frozenset of {"read", "run", "admin"}
        Those of the role that the key has too.
    key_id : str or None
        The key that was shown; None with a session.
    session : bytes or None
        The digest of the session; None with a key.
    expires : datetime or None
        When the key or the session ends by itself.

    Examples
    --------
    >>> ada = Principal("user_1", "ada", "operator", ROLE_SCOPES["operator"])
    >>> ada.may("run"), ada.may("admin"), ada.owner
    (True, False, 'user_1')
    """

    user_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    key_id: str | None = None
    session: bytes | None = field(default=None, repr=False)
    expires: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether this scope is given."""
        return scope in self.scopes

    @property
    def owner(self) -> str | None:
        """Whose objects can be seen, as the store asks: one's own; None, everybody's, with the scope ``admin``."""
        return None if self.may("admin") else self.user_id


def read_role(text: str) -> Role:
    """Return a role by its name.

    Raises
    ------
    AccountError
        When there is none of this name.

    Examples
    --------
    >>> read_role("root")
    Traceback (most recent call last):
    strategy_optimizer.errors.AccountError: there is no role 'root'; there are viewer, operator, admin
    """
    for role in ROLES:
        if role == text:
            return role
    raise AccountError(f"there is no role {text!r}; there are {', '.join(ROLES)}")


def read_scopes(texts: Iterable[str]) -> frozenset[Scope]:
    """Return scopes by their names; there is at least one.

    Raises
    ------
    AccountError
        When one is not known, or there is none.
    """
    given = set(texts)
    unknown = given - set(SCOPES)
    if unknown:
        raise AccountError(f"there is no scope {min(unknown)!r}; there are {', '.join(SCOPES)}")
    if not given:
        raise AccountError(f"a key needs at least one scope of {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in given)


def in_order(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return scopes from the smallest to the largest.

    >>> in_order({"run", "read"})
    ('read', 'run')
    """
    return tuple(sorted(scopes, key=SCOPES.index))
