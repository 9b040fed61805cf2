"""The trial ledger of a task's owner, in the store: whichever worker has a task counts what all others did."""

from __future__ import annotations

import hashlib
import logging
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.storage import OldLedgerEntry, Store
from strategy_optimizer.storage.ledger import OLD
from strategy_optimizer.validation.ledger import (
    Entry,
    Ledger,
    Reading,
    UnreadableError,
    decode,
    encode,
    one_each,
    unreadable_note,
)
from strategy_optimizer.workers.store_writer import StoreWriter

LOG = logging.getLogger("strategy_optimizer.worker")
TAKEN_IN = "taken-in"


class StoreLedger:
    """The ledger that a running task adds to and reads, as long as the database needs; see `TrialLedger`.

    Each task of the service has one entry, whatever became of its processes. Tasks of the same content, such as a copy
    that runs again, are different entries in the store and are read as one.

    Parameters
    ----------
    writer : StoreWriter
        Of the task.
    """

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer

    def add(self, entry: Entry) -> Entry:
        """Store the task's entry.

        Raises
        ------
        LeaseLostError
            When another worker has the task.
        """
        store, lease = self._writer.store, self._writer.lease
        with _undisturbed():
            self._writer.insist(
                lambda: store.ledger.put(
                    lease, summary=entry.to_dict(), entry=encode(entry), months=months_of(entry)
                )
            )
        return next((kept for kept in self.read(entry).entries if kept.task_id == entry.task_id), entry)

    def read(self, beside: Entry | None = None) -> Reading:
        """Return the entries of the task's owner, or only those that share bars with an entry.

        Those on other bars are neither read nor decoded: an owner may have many of them.
        """
        store, owner = self._writer.store, self._writer.lease.task.owner
        bars = None if beside is None else self._shared(beside)
        entries, unreadable = [], []
        for task, data in self._writer.insist(lambda: store.ledger.entries(owner, bars=bars)):
            try:
                entries.append(decode(data))
            except UnreadableError:
                unreadable.append(task)
        return Reading(tuple(one_each(entries)), tuple(unreadable), f"of {owner} in the store")

    def _shared(self, beside: Entry) -> list[str]:
        """Return the names of the bars that share months with those of an entry."""
        store, owner = self._writer.store, self._writer.lease.task.owner
        # Entries of older versions are looked into once.
        if found := _months_of_all(self._writer.insist(lambda: store.ledger.undescribed(owner))):
            self._writer.insist(lambda: store.ledger.describe(owner, found))
        own = _digests(months_of(beside))
        known = self._writer.insist(lambda: store.ledger.bars(owner))
        return [name for name, months in known.items() if np.isin(own, _digests(months)).any()]


def months_of(entry: Entry) -> bytes:
    """Return the digests of all months that an entry is about, searched or held out, the same for the same bars."""
    digests = np.union1d(entry.searched.digests, entry.held_out.digests)
    return digests.astype("<u8", copy=False).tobytes()


def _digests(months: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(months, "<u8")


def _months_of_all(entries: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """Return the months of those entries that can be read, by their tasks."""
    found = {}
    for task, data in entries:
        with suppress(UnreadableError):
            found[task] = months_of(decode(data))
    return found


def take_in_folders(store: Store, data_dir: Path) -> int:
    """Move ledgers that workers kept in folders before into the store, and return how many entries it took.

    A folder that was taken in lies in ``ledger/taken-in`` afterwards. When that is cut off, the next start goes on.

    Parameters
    ----------
    store : Store
    data_dir : Path
        Of the worker; the ledgers lay in ``ledger``, a folder for each owner.
    """
    home, taken = data_dir / "ledger", 0
    if not home.is_dir():
        return 0
    for user in store.accounts.users():
        folder = home / _folder_name(user.id)
        if not folder.is_dir() or folder.name == TAKEN_IN:
            continue
        reading = Ledger(folder).read()
        taken += store.ledger.take_in(user.id, [_old(entry) for entry in reading.entries])
        if reading.unreadable:
            LOG.warning("%s", unreadable_note(reading))
        _put_aside(folder)
    return taken


def _folder_name(owner: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in owner)


def _old(entry: Entry) -> OldLedgerEntry:
    data = encode(entry)
    name = f"{OLD}{hashlib.sha256(data).hexdigest()[:32]}"
    return OldLedgerEntry(
        name, datetime.fromisoformat(entry.recorded), entry.to_dict(), data, months_of(entry)
    )


def _put_aside(folder: Path) -> None:
    home = folder.parent / TAKEN_IN
    home.mkdir(exist_ok=True)
    place = home / folder.name
    if place.exists():  # an older version ran again meanwhile
        place = home / f"{folder.name}-{uuid4().hex[:8]}"
    with suppress(FileNotFoundError):  # another worker of this machine was quicker
        folder.rename(place)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let the signal that ends a cancelled task wait until the entry is stored."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
