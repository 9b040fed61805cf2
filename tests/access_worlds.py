"""What the tests of access and of the API share."""

from __future__ import annotations

from datetime import datetime

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal, read_role
from strategy_optimizer.storage import Store


class Seconds:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds


def as_principal(
    store: Store, name: str, *, key_id: str | None = None, expires: datetime | None = None
) -> Principal:
    """Return a user of the store with all scopes of the role."""
    user = store.accounts.find_user(name)
    assert user is not None
    role = read_role(user.role)
    return Principal(user.id, user.name, role, ROLE_SCOPES[role], key_id=key_id, expires=expires)
