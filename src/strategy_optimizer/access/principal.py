"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Scope: TypeAlias = Literal["read", "run", "admin"]
Role: TypeAlias = Literal["viewer", "operator", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "run"}),
    "admin": frozenset({"read", "run", "admin"}),
}


@dataclass(frozen=True)
class Principal:
    """A user who calls, with what this key or session of theirs may do.

    Attributes
    ----------
    user_id, name : str
    role : {"viewer", "operator", "admin"}
    scopes : frozenset of {"read", "run", "admin"}
        Those of the role; a key may have fewer.
    key_id : str or None
        The key that was used; None with a session or a ticket.
    """

    user_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    key_id: str | None = None

    @property
    def owner(self) -> str | None:
        """Whose objects can be seen: one's own; None, everybody's, for an administrator."""
        return None if "admin" in self.scopes else self.user_id
