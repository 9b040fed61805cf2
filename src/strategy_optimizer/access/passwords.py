"""Passwords of people, kept as argon2id; keys need none of this, they cannot be guessed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from secrets import token_urlsafe
from threading import BoundedSemaphore

from argon2 import Parameters, PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from strategy_optimizer.errors import AccountError, TooManyRequestsError

SHORTEST, LONGEST = 12, 256
_FEWEST_LETTERS = 5
_AT_ONCE = 2
_PATIENCE = 5.0


class Passwords:
    """Hashes and checks passwords.

    Parameters
    ----------
    parameters : argon2.Parameters
        The second choice of RFC 9106 by default: 64 MiB, three passes, about a twentieth of a second.
    at_once : int
        So many at the same time: each takes the memory of `parameters`.
    patience : float
        Seconds that a caller waits for its turn.

    Examples
    --------
    >>> passwords = Passwords(profiles.CHEAPEST)
    >>> stored = passwords.hash("correct horse battery", name="ada")
    >>> passwords.matches(stored, "correct horse battery"), passwords.matches(stored, "correct horse batterie")
    (True, False)
    >>> passwords.matches(None, "correct horse battery")
    False
    """

    def __init__(
        self,
        parameters: Parameters = profiles.RFC_9106_LOW_MEMORY,
        *,
        at_once: int = _AT_ONCE,
        patience: float = _PATIENCE,
    ) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._turns = BoundedSemaphore(at_once)
        self._patience = patience

    def hash(self, password: str, *, name: str) -> str:
        """Return what is stored of a new password of a user.

        Raises
        ------
        AccountError
            When it is too short, too long, or far too easy.
        TooManyRequestsError
            When too many passwords are being checked.
        """
        check_password(password, name)
        with self._turn():
            return self._hasher.hash(_normal(password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Return whether a password is the stored one; None, of a user who has none, costs as much."""
        with self._turn():
            try:
                right = self._hasher.verify(stored or self._nobodys, _normal(password[: LONGEST + 1]))
            except (VerificationError, InvalidHashError):
                return False
        return right and bool(stored)

    def renewed(self, stored: str, password: str) -> str | None:
        """Return another hash of a password that matched, when the stored one has old parameters."""
        if not self._hasher.check_needs_rehash(stored):
            return None
        with self._turn():
            return self._hasher.hash(_normal(password))

    @cached_property
    def _nobodys(self) -> str:
        """A hash that is checked where there is none."""
        return self._hasher.hash(token_urlsafe())

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._patience):
            raise TooManyRequestsError(
                "too many passwords are being checked; try again in a moment", retry_after=5
            )
        try:
            yield
        finally:
            self._turns.release()


def check_password(password: str, name: str) -> None:
    """Raise an `AccountError` for a password that is too short, too long or far too easy; never repeat it.

    Length is what counts; neither digits nor signs are asked for.

    >>> check_password("abcabcabcabc", "ada")
    Traceback (most recent call last):
    strategy_optimizer.errors.AccountError: a password needs at least 5 different letters; this one has 3
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} letters; this one has {len(password)}")
    if not _can_be_encoded(password):
        raise AccountError("a password is text; this one has half of a letter in it")
    different = len(set(password))
    if different < _FEWEST_LETTERS:
        raise AccountError(
            f"a password needs at least {_FEWEST_LETTERS} different letters; this one has {different}"
        )
    if _normal(password).casefold() == _normal(name).casefold():
        raise AccountError("a password is not the user's name")


def _can_be_encoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _normal(password: str) -> str:
    """Return the one form of a text that two keyboards may send in two."""
    return unicodedata.normalize("NFKC", password)
