"""API keys: making, checking and revoking them. The store has their digests; the keys themselves are nowhere."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from strategy_optimizer.access.fresh_cache import FreshCache
from strategy_optimizer.access.key_text import KeyText, new_key_text, read_key_text
from strategy_optimizer.access.principal import (
    ROLE_SCOPES,
    Principal,
    Scope,
    in_order,
    read_role,
    read_scopes,
)
from strategy_optimizer.errors import AccountError, NotAllowedError, NotAuthenticatedError, StorageError
from strategy_optimizer.storage import ApiKeyRecord, KeyHolder, Store

FRESH_SECONDS = 1.5
"""For how long a key that was checked is not looked up again: another process's revocation is obeyed after it."""
NOTED_EACH = timedelta(minutes=1)
NAME_LENGTH = 200


@dataclass(frozen=True)
class NewKey:
    """A key that was just made; `text` is shown once and kept nowhere."""

    record: ApiKeyRecord
    text: str = field(repr=False)


class Keys:
    """The keys of all users.

    Parameters
    ----------
    store : Store
    clock : callable, optional
        Seconds that only grow, for tests.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._accounts = store.accounts
        self._recent: FreshCache[bytes, Principal] = FreshCache(FRESH_SECONDS, clock=clock)  # by digest
        self._held: FreshCache[str, Principal] = FreshCache(
            FRESH_SECONDS, clock=clock
        )  # by id, of open sockets

    def create(
        self,
        user_id: str,
        name: str,
        *,
        scopes: Iterable[str] | None = None,
        expires: datetime | None = None,
        by: Principal | None = None,
    ) -> NewKey:
        """Make a key of a user.

        Parameters
        ----------
        user_id, name : str
            Whose it is, and what it is called.
        scopes : iterable of str, optional
            What it may do; all that its user may, by default. Never more.
        expires : datetime, optional
            It does not end by itself without.
        by : Principal, optional
            Who makes it. A key gives no more to the keys that are made with it than it has, nor a longer life.

        Raises
        ------
        AccountError
            When the name, a scope or the moment is not possible.
        NotAllowedError
            When `by` has less than is asked for.
        """
        user = self._accounts.user(user_id)
        wanted = _wanted_scopes(scopes, ROLE_SCOPES[read_role(user.role)], user.name)
        if by is not None:
            wanted, expires = _at_most_its_own(wanted, expires, by, are_named=scopes is not None)
        self._check(name, expires)
        text = new_key_text()
        key = read_key_text(text)
        record = self._accounts.add_key(
            user_id,
            name=name.strip(),
            prefix=key.prefix,
            digest=key.digest,
            scopes=in_order(wanted),
            expires=expires,
        )
        return NewKey(record, text)

    def verify(self, text: str) -> Principal:
        """Return who shows a key.

        Raises
        ------
        NotAuthenticatedError
            When it is none, or is not valid any more.

        Notes
        -----
        Wrong keys cost the same whether their first letters are known or not: one query, one comparison.
        """
        key = read_key_text(text)
        found = self._recent.get(key.digest)
        if found is not None:
            return found
        return self._look_up(key)

    def verify_again(self, principal: Principal) -> Principal:
        """Return who still holds a key that was verified before, as the store has it now.

        Raises
        ------
        NotAuthenticatedError
            When it has been revoked, has ended, or its user was disabled.
        """
        assert principal.key_id is not None
        found = self._held.get(principal.key_id)
        if found is None:
            begun = self._held.clock()
            holder = self._accounts.key_holder(key_id=principal.key_id)
            if holder is None:
                raise NotAuthenticatedError("this key has been removed")
            found = _principal(holder)
            self._held.put(principal.key_id, found, read_at=begun)
        return found

    def recent(self, text: str) -> Principal | None:
        """Return who shows a key, when it was looked up a moment ago; None says nothing of it."""
        try:
            return self._recent.get(read_key_text(text).digest)
        except NotAuthenticatedError:
            return None

    def is_known(self, text: str) -> bool:
        """Return whether a key was found valid by this process lately; nothing is looked up."""
        try:
            return self._recent.knows(read_key_text(text).digest)
        except NotAuthenticatedError:
            return False

    def revoke(self, key_id: str) -> None:
        """Revoke a key: at once in this process, within two seconds in others."""
        self._accounts.revoke_key(key_id)
        self._recent.forget_where(lambda principal: principal.key_id == key_id)
        self._held.forget(key_id)

    def forget_user(self, user_id: str) -> None:
        """Look up all keys of a user again, who was changed."""
        for cache in (self._recent, self._held):
            cache.forget_where(lambda principal: principal.user_id == user_id)

    def _look_up(self, key: KeyText) -> Principal:
        begun = self._recent.clock()
        # What is read of the key before its secret is known to be right is its digest alone, or zeros.
        if not hmac.compare_digest(self._accounts.key_digest(key.prefix), key.digest):
            raise NotAuthenticatedError("this key is not valid")
        holder = self._accounts.key_holder(key.prefix)
        if holder is None:
            raise NotAuthenticatedError("this key has been removed")
        try:
            principal = _principal(holder)
        except NotAuthenticatedError:
            self._recent.forget(key.digest)
            raise
        self._recent.put(key.digest, principal, read_at=begun)
        self._note_use(holder)
        return principal

    def _note_use(self, holder: KeyHolder) -> None:
        used = holder.key.last_used
        if used is None or holder.now - used >= NOTED_EACH:
            with suppress(StorageError):  # the key is valid all the same
                self._accounts.note_key_used(holder.key.id, after=NOTED_EACH)

    def _check(self, name: str, expires: datetime | None) -> None:
        check_name(name, "key")
        if expires is None:
            return
        if expires.tzinfo is None:
            raise AccountError("the moment at which a key ends needs an offset, such as 2027-01-01T00:00:00Z")
        if expires <= self._accounts.now():
            raise AccountError(f"a key that ends at {expires.isoformat()} would have ended already")


def check_name(name: str, of: str) -> None:
    """Raise an `AccountError` unless a name can be one.

    >>> check_name(" ", "user")
    Traceback (most recent call last):
    strategy_optimizer.errors.AccountError: the name of a user has 1 to 200 letters that can be printed; found ' '
    """
    if not name.strip() or not name.isprintable() or len(name) > NAME_LENGTH:
        raise AccountError(
            f"the name of a {of} has 1 to {NAME_LENGTH} letters that can be printed; found {name[:40]!r}"
        )


def _wanted_scopes(scopes: Iterable[str] | None, of_role: frozenset[Scope], name: str) -> frozenset[Scope]:
    wanted = of_role if scopes is None else read_scopes(scopes)
    if not wanted <= of_role:
        raise AccountError(
            f"{name} may not have the scope {in_order(wanted - of_role)[0]}; a key has at most "
            f"those of its user: {', '.join(in_order(of_role))}"
        )
    return wanted


def _at_most_its_own(
    scopes: frozenset[Scope], expires: datetime | None, by: Principal, *, are_named: bool
) -> tuple[frozenset[Scope], datetime | None]:
    """Return scopes and end of a key that is made by somebody; what was not named is cut to what they have."""
    if are_named and not scopes <= by.scopes:
        missing = in_order(scopes - by.scopes)[0]
        raise NotAllowedError(f"a key with the scope {missing} is made with one that has it")
    if by.key_id is not None and by.expires is not None:
        if expires is not None and expires > by.expires:
            raise NotAllowedError(
                f"a key that is made with another ends with it, at {by.expires.isoformat()}; "
                "log in to make one that lasts longer"
            )
        expires = expires or by.expires
    return scopes & by.scopes, expires


def _principal(holder: KeyHolder) -> Principal:
    """Return who holds a key whose secret was shown; so the message may say why it is refused."""
    key, user = holder.key, holder.user
    if key.revoked is not None:
        raise NotAuthenticatedError(f"the key {key.prefix} has been revoked")
    if key.expires is not None and key.expires <= holder.now:
        raise NotAuthenticatedError(f"the key {key.prefix} ended at {key.expires.isoformat()}")
    if user.disabled:
        raise NotAuthenticatedError(f"the user {user.name} is disabled")
    role = read_role(user.role)
    scopes = ROLE_SCOPES[role] & frozenset(key.scopes)
    return Principal(user.id, user.name, role, scopes, key_id=key.id, expires=key.expires)
