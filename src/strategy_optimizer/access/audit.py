"""The audit log: who did what to what, from where. No secret is ever in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.access.key_text import mask_keys
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.storage import Store

_ACTION, _TARGET, _ADDRESS = 64, 200, 64


class Audit:
    """Writes the audit log of a store.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
    ...     store.upgrade()
    ...     Audit(store).note(None, "login.failed", "ada", address="10.0.0.1")
    ...     (line,) = store.accounts.log()
    >>> line.action, line.target, line.address
    ('login.failed', 'ada', '10.0.0.1')
    """

    def __init__(self, store: Store) -> None:
        self._accounts = store.accounts

    def note(
        self,
        actor: Principal | None,
        action: str,
        target: str = "",
        *,
        address: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a line.

        Parameters
        ----------
        actor : Principal or None
            None where it is not known who.
        action : str
            What was done, such as ``user.create``.
        target : str
            To what: an id or a name.
        address : str
        details : mapping, optional
            JSON values.
        """
        used = {} if actor is None or actor.key_id is None else {"key": actor.key_id}
        self._accounts.note(
            None if actor is None else actor.user_id,
            action[:_ACTION],
            _printable(mask_keys(target))[:_TARGET],
            address=address[:_ADDRESS],
            details={**used, **(details or {})},
        )


def _printable(text: str) -> str:
    """Return a text without line breaks, and without what PostgreSQL refuses (NUL, halves of letters)."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
