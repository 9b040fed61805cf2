"""Several algorithms that share one history: each proposes some of the trials and learns from all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.state import decode_array, decode_rng, encode_array, encode_rng

MEMBER_NOTES = 2  # the most notes that a member adds to its rows


class Portfolio(Optimizer):
    """Base of the optimizers that are made of others.

    A subclass enrols its members and says how many of the next trials each proposes. A trial's *author* is the
    member that proposed it; what came from the first design, from a caller or from the last sweep of a small
    space has none.
    """

    n_notes: ClassVar[int] = 1 + MEMBER_NOTES

    # -- what a subclass adds

    @abstractmethod
    def _counts(self, n: int) -> IntArray:
        """Return how many of the next n trials each member proposes, adding up to n."""

    def _reflect(self, told: Told, authors: IntArray) -> None:
        """Draw conclusions from trials, in the order of asking, before the next are proposed."""

    @property
    def batch_size(self) -> int:
        """One: each trial is chosen with all others known."""
        return 1

    # -- members

    def _enrol(self, members: Sequence[Optimizer], n_first: int) -> None:
        """Take members in; the first `n_first` trials are the defaults and Sobol points, nobody's."""
        self.members = list(members)
        for member in self.members:
            member.join(self)
        self._n_first = n_first
        self._first: FloatArray | None = None  # rows of the first design not asked yet
        self._authors: list[FloatArray] = []  # of the log's trials, in pieces; NaN for none
        self._unread: list[Told] = []  # told since the last ask

    def _member_seed(self, k: int) -> int:
        """Return a seed of member k's own."""
        return int(np.random.SeedSequence([self.seed, k]).generate_state(1)[0])

    @property
    def authors(self) -> list[str | None]:
        """See :attr:`Optimizer.authors`: the names of members, None for the first design and for points of a caller."""
        names = [member.name for member in self.members]
        return [None if a != a else names[int(a)] for a in self._author_column().tolist()]

    @property
    def trials_by_author(self) -> dict[str, int]:
        """How many told trials each member proposed."""
        authors = self._author_column()
        return {member.name: int((authors == k).sum()) for k, member in enumerate(self.members)}

    def report(self) -> dict[str, Any]:
        """Return how many trials each member proposed."""
        return {"trials_by_author": self.trials_by_author}

    def _author_column(self) -> FloatArray:
        if len(self._authors) != 1:
            self._authors = [np.concatenate([np.empty(0), *self._authors])]
        return self._authors[0]

    # -- learning

    def _learn(self, told: Told) -> None:
        d = self.space.n_dims
        self._authors.append(told.rows[:, d].copy())
        self._unread.append(told)
        for k, member in enumerate(self.members):
            member._learn(self._as_member_rows(k, told))

    def _as_member_rows(self, k: int, told: Told) -> Told:
        """Return trials with the notes of member k where it is their author, else NaN."""
        d, n_notes = self.space.n_dims, self.members[k].n_notes
        if n_notes == 0:
            return told._replace(rows=told.rows[:, :d])
        own = (told.rows[:, d] == k)[:, None]
        notes = np.where(own, told.rows[:, d + 1 : d + 1 + n_notes], np.nan)
        return told._replace(rows=np.concatenate([told.rows[:, :d], notes], axis=1))

    def _read(self) -> None:
        """Reflect on what was told since the last ask, whatever the order of telling was."""
        if not self._unread:
            return
        told = Told.join(self._unread)
        self._unread = []
        # Points that were never asked have no ticket to order them; their own values do.
        ties: tuple[FloatArray, ...] = ()
        if (told.tickets < 0).any():
            ties = (*np.atleast_2d(told.scores.T), *told.rows.T)
        told = told.take(np.lexsort((*ties, told.tickets)))
        authors = told.rows[:, self.space.n_dims]
        self._reflect(told, np.where(np.isnan(authors), -1.0, authors).astype(np.int64))

    # -- proposing

    def _propose(self, n: int, attempt: int) -> FloatArray:
        if self._first is None:
            defaults = self._with_notes(self.space.default_values[None, :])
            self._first = np.concatenate([defaults, self._sample(self._n_first, "sobol")])[: self._n_first]
        if attempt == 0:
            self._read()
        rows, self._first = self._first[:n], self._first[n:]
        return rows if len(rows) == n else np.concatenate([rows, self._share_out(n - len(rows), attempt)])

    def _share_out(self, n: int, attempt: int) -> FloatArray:
        """Return rows of the members, as many of each as it is to propose."""
        counts = self._counts(n)
        asked = np.flatnonzero(counts)
        if len(asked) == 1:  # it may propose more than is wanted: some will be known
            return self._signed(int(asked[0]), self._proposals(int(asked[0]), n, attempt))
        parts = [self._signed(k, self._proposals(k, int(counts[k]), attempt)) for k in asked.tolist()]
        kept = [
            part[self._new(part)][:count] for part, count in zip(parts, counts[asked].tolist(), strict=True)
        ]
        return np.concatenate([np.empty((0, self.space.n_dims + self.n_notes)), *kept])

    def _proposals(self, k: int, n: int, attempt: int) -> FloatArray:
        """Return rows of member k."""
        return self.members[k]._propose(n, attempt)

    def _signed(self, k: int, rows: FloatArray) -> FloatArray:
        """Return a member's rows as ours, with its number."""
        d = self.space.n_dims
        signed = np.full((len(rows), d + self.n_notes), np.nan)
        signed[:, :d] = rows[:, :d]
        signed[:, d] = k
        signed[:, d + 1 : 1 + rows.shape[1]] = rows[:, d:]
        return signed

    def _new(self, rows: FloatArray) -> list[int]:
        """Return the indices of rows that are feasible and were not tried."""
        points = self.space.deactivate(rows[:, : self.space.n_dims])
        feasible = self.space.is_feasible(points).tolist()
        allows = self._ledger.tried.allows
        keys = self.space.keys(points).tolist()
        return [i for i, key in enumerate(keys) if feasible[i] and allows(key)]

    # -- state

    def _save(self) -> dict[str, Any]:
        unread = Told.join([Told.empty(self.space.n_dims + self.n_notes, self.n_objectives), *self._unread])
        order = np.lexsort((*unread.rows.T, unread.tickets))
        return {
            "members": [{"rng": encode_rng(each._rng), "own": each._save()} for each in self.members],
            "first": None if self._first is None else encode_array(self._first),
            "authors": encode_array(self._author_column().astype(np.float16)),
            "unread": unread.take(order).encode(),
        }

    def _load(self, data: dict[str, Any]) -> None:
        for member, saved in zip(self.members, data["members"], strict=True):
            member._rng = decode_rng(saved["rng"])
            member._load(saved["own"])
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._authors = [decode_array(data["authors"]).astype(np.float64)]
        self._unread = [Told.decode(data["unread"])]


def divided(n: int, shares: FloatArray, rng: np.random.Generator) -> IntArray:
    """Return n as whole numbers in proportion to shares (k,), at most one off, the rounding drawn at random.

    >>> divided(10, np.array([0.5, 0.3, 0.2]), np.random.default_rng(0))
    array([5, 3, 2])
    """
    ticks = (rng.random() + np.arange(n)) / n
    owners = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], ticks, side="right")
    return np.bincount(owners, minlength=len(shares))
