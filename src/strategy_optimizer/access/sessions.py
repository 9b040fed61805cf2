"""Sessions of browsers: a random cookie for a name and a password. The store has the digest of the cookie."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from strategy_optimizer.access.fresh_cache import FreshCache
from strategy_optimizer.access.keys import FRESH_SECONDS
from strategy_optimizer.access.passwords import Passwords
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal, read_role
from strategy_optimizer.errors import NotAuthenticatedError
from strategy_optimizer.storage import SessionHolder, Store, UserRecord

COOKIE = "strategy_optimizer_session"
IDLE = timedelta(hours=12)
"""A session that is not used for so long ends."""
LONGEST = timedelta(days=7)
"""And so does one that was begun so long ago."""
_COOKIE_LENGTH = 43


@dataclass(frozen=True)
class NewSession:
    """A session that was just begun; `cookie` is what the browser keeps."""

    principal: Principal
    cookie: str = field(repr=False)
    ends: datetime


class Sessions:
    """The sessions of all users.

    Parameters
    ----------
    store : Store
    passwords : Passwords
    clock : callable, optional
        Seconds that only grow, for tests.
    """

    def __init__(
        self, store: Store, passwords: Passwords, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounts = store.accounts
        self._passwords = passwords
        self._recent: FreshCache[bytes, Principal] = FreshCache(FRESH_SECONDS, clock=clock)

    def log_in(self, name: str, password: str) -> NewSession:
        """Begin a session.

        Raises
        ------
        NotAuthenticatedError
            The same whether name or password is wrong, after the same time.
        TooManyRequestsError
            When too many passwords are being checked.
        """
        user = self._accounts.find_user(name)
        stored = None if user is None or user.disabled else user.password_hash
        if not self._passwords.matches(stored, password) or user is None or stored is None:
            raise NotAuthenticatedError("name or password is wrong")
        self._renew_hash(user, stored, password)
        return self._begin(user)

    def verify(self, cookie: str) -> Principal:
        """Return whose session it is, and let it last longer.

        Raises
        ------
        NotAuthenticatedError
            When it has ended, or never was.
        """
        if len(cookie) != _COOKIE_LENGTH or not cookie.isascii():
            raise NotAuthenticatedError("this is no session; log in")
        digest = sha256(cookie.encode()).digest()
        return self._recent.get(digest) or self._look_up(digest)

    def verify_again(self, principal: Principal) -> Principal:
        """Return whose session it is now that was verified before.

        Raises
        ------
        NotAuthenticatedError
            When it has ended, or its user was disabled.
        """
        assert principal.session is not None
        return self._recent.get(principal.session) or self._look_up(principal.session)

    def recent(self, cookie: str) -> Principal | None:
        """Return whose session it is, when it was looked up a moment ago; None says nothing of it."""
        return self._recent.get(sha256(cookie.encode("utf-8", "replace")).digest())

    def is_known(self, cookie: str) -> bool:
        """Return whether a session was found valid by this process lately; nothing is looked up."""
        return self._recent.knows(sha256(cookie.encode("utf-8", "replace")).digest())

    def log_out(self, principal: Principal) -> None:
        """End a session: at once in this process, within two seconds in others."""
        if principal.session is not None:
            self._accounts.end_session(principal.session)
            self._recent.forget(principal.session)

    def set_password(self, user_id: str, password: str) -> None:
        """Set a user's password, which ends all sessions of that user.

        Raises
        ------
        AccountError
            When the password is too short, too long or far too easy.
        """
        hashed = self._passwords.hash(password, name=self._accounts.user(user_id).name)
        self._accounts.change_user(user_id, password_hash=hashed)
        self.forget_user(user_id)

    def is_password(self, user_id: str, password: str) -> bool:
        """Return whether it is the user's password."""
        return self._passwords.matches(self._accounts.user(user_id).password_hash, password)

    def forget_user(self, user_id: str) -> None:
        """Look up all sessions of a user again, who was changed."""
        self._recent.forget_where(lambda principal: principal.user_id == user_id)

    def _begin(self, user: UserRecord) -> NewSession:
        cookie = token_urlsafe(32)
        digest = sha256(cookie.encode()).digest()
        session = self._accounts.add_session(user.id, digest=digest, expires=self._accounts.now() + IDLE)
        holder = SessionHolder(session, user, session.created)
        return NewSession(_principal(holder), cookie, session.created + LONGEST)

    def _look_up(self, digest: bytes) -> Principal:
        begun = self._recent.clock()
        holder = self._accounts.session_holder(digest)
        if holder is None:
            self._recent.forget(digest)
            raise NotAuthenticatedError("the session has ended; log in again")
        principal = _principal(holder)
        self._lengthen(holder)
        self._recent.put(digest, principal, read_at=begun)
        return principal

    def _lengthen(self, holder: SessionHolder) -> None:
        """Let a session last `IDLE` from now; only once half of that is over, so that reading seldom writes."""
        session, now = holder.session, holder.now
        longer = min(now + IDLE, session.created + LONGEST)
        if session.expires - now < IDLE / 2 and longer > session.expires:
            self._accounts.extend_session(session.digest, longer)

    def _renew_hash(self, user: UserRecord, stored: str, password: str) -> None:
        renewed = self._passwords.renewed(stored, password)
        if renewed is not None:
            self._accounts.replace_password_hash(user.id, stored, renewed)


def _principal(holder: SessionHolder) -> Principal:
    user, session = holder.user, holder.session
    if user.disabled:
        raise NotAuthenticatedError(f"the user {user.name} is disabled")
    role = read_role(user.role)
    ends = session.created + LONGEST
    return Principal(user.id, user.name, role, ROLE_SCOPES[role], session=session.digest, expires=ends)
