"""Tickets: what a browser's socket shows, since it can send no header. Each opens one socket, within 30 seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from strategy_optimizer.access.keys import Keys
from strategy_optimizer.access.principal import Principal
from strategy_optimizer.access.sessions import Sessions
from strategy_optimizer.errors import NotAuthenticatedError, NotStoredError
from strategy_optimizer.storage import Store

LASTS = timedelta(seconds=30)
_TICKET = re.compile(r"st_[0-9A-Za-z_-]{43}", re.ASCII)


@dataclass(frozen=True)
class NewTicket:
    """A ticket that was just made."""

    text: str = field(repr=False)
    expires: datetime


class Tickets:
    """The tickets of all users; they lie in the store, so any process of the service takes them."""

    def __init__(self, store: Store, keys: Keys, sessions: Sessions) -> None:
        self._accounts = store.accounts
        self._keys = keys
        self._sessions = sessions

    def issue(self, principal: Principal) -> NewTicket:
        """Make a ticket that gives what its maker's key or session gives when it is shown.

        Raises
        ------
        NotAuthenticatedError
            When that key or session has gone.
        """
        text = f"st_{token_urlsafe(32)}"
        try:
            record = self._accounts.add_ticket(
                principal.user_id,
                digest=_digest(text),
                lasts=LASTS,
                key_id=principal.key_id,
                session=principal.session,
            )
        except NotStoredError as error:
            raise NotAuthenticatedError("the session has ended; log in again") from error
        return NewTicket(text, record.expires)

    def take(self, text: str) -> Principal:
        """Return who made a ticket; the next who shows it is refused.

        Raises
        ------
        NotAuthenticatedError
            When it was used, has ended, never was, or what it was made with is not valid any more.
        """
        record = self._accounts.take_ticket(_digest(text)) if _TICKET.fullmatch(text) else None
        if record is None:
            raise NotAuthenticatedError("this ticket is not valid; it opens one socket, within 30 seconds")
        owner = Principal(
            record.user_id, "", "viewer", frozenset(), key_id=record.key_id, session=record.session
        )
        return self._keys.verify_again(owner) if record.key_id else self._sessions.verify_again(owner)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
