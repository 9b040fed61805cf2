"""Whose turn it is: few places, many users, and none of them waits for all that another one has asked."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from strategy_optimizer.errors import ComputationBusyError, TooManyRequestsError

LOOK = 0.1
"""Seconds between two looks at whether somebody who waits has gone."""
RETRY = 5.0
"""Seconds after which to ask again, for who has too many waiting."""


class CallCancelledError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(eq=False)
class _Waiting:
    """Somebody who waits for a place, and whether it is theirs now."""

    user: str
    number: int
    has_place: threading.Event = field(default_factory=threading.Event)


class Turns:
    """Gives places to users in turn.

    A place that becomes free goes to the user who has the fewest; of users with as many, to the one whose last turn was
    longest ago; of one user's requests, to the first.

    Parameters
    ----------
    places : int
        At once.
    of_user : int, optional
        How many of them one user may have; all, when it is not said. Who has as many waits, also while places are free.
    waiting : int
        How many may wait; half of them for one user, so that others find room.
    patience : float
        Seconds for which they wait.

    Examples
    --------
    >>> turns = Turns(2, waiting=16, patience=20.0)
    >>> turns.take("ada", threading.Event())
    >>> turns.give_back("ada")
    """

    def __init__(self, places: int, *, of_user: int | None = None, waiting: int, patience: float) -> None:
        self._places = places
        self._of_user = places if of_user is None else of_user
        self._most = waiting
        self._most_of_user = max(1, waiting // 2)
        self._patience = patience
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._held: Counter[str] = Counter()
        self._last_turn: dict[str, int] = {}  # of users who hold or wait for something
        self._waiting: list[_Waiting] = []  # in the order in which they came

    @property
    def waiting(self) -> int:
        """How many wait."""
        with self._lock:
            return len(self._waiting)

    def take(self, user: str, cancelled: threading.Event) -> None:
        """Wait for a place, and take it.

        Parameters
        ----------
        user : str
        cancelled : Event
            Ends the waiting when it is set.

        Raises
        ------
        TooManyRequestsError
            When this user has as many waiting as one may have.
        ComputationBusyError
            When all places to wait are taken, or none to compute became free in time.
        CallCancelledError
        """
        with self._lock:
            if self._held.total() < self._places and self._held[user] < self._of_user:
                self._give(user)
                return
            one = self._stand(user)
        try:
            self._wait(one, cancelled)
        except BaseException:
            self._leave(one)
            raise

    @contextmanager
    def held(self, user: str) -> Iterator[None]:
        """Wait for a place, and have it for the length of a block; raises as `take`."""
        self.take(user, threading.Event())
        try:
            yield
        finally:
            self.give_back(user)

    def give_back(self, user: str) -> None:
        """Give a place back, which goes to the next."""
        with self._lock:
            self._held[user] -= 1
            if not self._held[user]:
                del self._held[user]
            self._hand_out()
            self._forget(user)

    def _hand_out(self) -> None:
        """Give what is free to those whose turn it is."""
        while self._held.total() < self._places:
            able = [one for one in self._waiting if self._held[one.user] < self._of_user]
            if not able:
                return
            one = min(able, key=self._place_in_line)
            self._waiting.remove(one)
            self._give(one.user)
            one.has_place.set()

    def _place_in_line(self, one: _Waiting) -> tuple[int, int, int]:
        return self._held[one.user], self._last_turn.get(one.user, 0), one.number

    def _give(self, user: str) -> None:
        self._held[user] += 1
        self._last_turn[user] = next(self._numbers)

    def _stand(self, user: str) -> _Waiting:
        """Let a user wait at the end of the line."""
        own = sum(one.user == user for one in self._waiting)
        if len(self._waiting) >= self._most:
            raise ComputationBusyError(
                f"{self._places} computations run and {len(self._waiting)} wait already; ask again later"
            )
        if own >= self._most_of_user:
            raise TooManyRequestsError(
                f"{own} requests of yours wait to be computed already, as many as one user may have; wait for their "
                "answers, or ask again later",
                retry_after=RETRY,
            )
        one = _Waiting(user, next(self._numbers))
        self._waiting.append(one)
        return one

    def _wait(self, one: _Waiting, cancelled: threading.Event) -> None:
        until = time.monotonic() + self._patience
        while not one.has_place.wait(LOOK):
            if cancelled.is_set():
                raise CallCancelledError
            if time.monotonic() > until:
                raise ComputationBusyError(
                    f"{self._busy(one.user)} busy for {self._patience:g} s; ask again later"
                )

    def _busy(self, user: str) -> str:
        with self._lock:
            if self._held[user] == self._of_user < self._places:
                return f"what may work for one user, {self._of_user} of {self._places} processes, was"
        return f"all {self._places} processes were"

    def _leave(self, one: _Waiting) -> None:
        """Let somebody go who waits no longer; a place that came at the last moment goes on to the next."""
        with self._lock:
            if one in self._waiting:
                self._waiting.remove(one)
                self._forget(one.user)
                return
        self.give_back(one.user)

    def _forget(self, user: str) -> None:
        if user not in self._held and all(one.user != user for one in self._waiting):
            self._last_turn.pop(user, None)
