"""Datasets: who has which, and their content in chunks, kept once however many have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from strategy_optimizer.errors import NotStoredError, QuotaError, StorageError
from strategy_optimizer.storage.catalogue_records import DatasetRecord
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.table_access import TableAccess, new_id
from strategy_optimizer.storage.tables import dataset_chunks, dataset_contents, datasets, users
from strategy_optimizer.storage.task_store import pack_json, unpack_json

CHUNK_BYTES = 2**20
"""The most that one row of content has."""


@dataclass(frozen=True)
class NewContent:
    """Content to be stored.

    Attributes
    ----------
    file : str
        The SHA-256 of its bytes.
    size : int
        How many they are.
    chunks : callable
        Gives them, `CHUNK_BYTES` at a time.
    preview : JSON value
    """

    file: str
    size: int
    chunks: Callable[[], Iterable[bytes]]
    preview: Any


class DatasetStore(TableAccess):
    """Datasets and their owners."""

    # -- content ---------------------------------------------------------------------------------------------

    def put_content(self, digest: str, content: NewContent) -> None:
        """Store content that a dataset is about to have; what is stored already stays.

        Each chunk is written by itself, so that others can write in between.

        Parameters
        ----------
        digest : str
            The hash of the bars.
        content : NewContent

        Raises
        ------
        NotStoredError
            When it was removed meanwhile, with the last other dataset that had it: to be done again.
        """
        file = self._database.write(lambda transaction: _begin(transaction, digest, content))
        if file == content.file:
            for number, payload in enumerate(content.chunks()):
                self._put_chunk(digest, file, number, payload)

    def _put_chunk(self, digest: str, file: str, number: int, payload: bytes) -> None:
        def work(transaction: Transaction) -> None:
            statement = transaction.insert(dataset_chunks).values(file=file, number=number, payload=payload)
            transaction.connection.execute(
                statement.on_conflict_do_nothing(index_elements=list(dataset_chunks.primary_key.columns))
            )

        try:
            self._database.write(work)
        except StorageError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            raise NotStoredError(_missing(digest)) from error

    def read_content(self, digest: str) -> Iterator[bytes]:
        """Yield the chunks of some content in order.

        Raises
        ------
        NotStoredError
            When it is not there.
        """
        file, chunks = self._content_row(digest, dataset_contents.c.file, dataset_contents.c.chunks)
        for number in range(chunks):
            wanted = (dataset_chunks.c.file == file) & (dataset_chunks.c.number == number)
            yield self._find(select(dataset_chunks.c.payload).where(wanted), digest)[0]

    def preview(self, digest: str) -> Any:
        """Return the preview of some content.

        Raises
        ------
        NotStoredError
            When it is not there.
        """
        return unpack_json(self._content_row(digest, dataset_contents.c.preview)[0])

    def _content_row(self, digest: str, *columns: Any) -> Any:
        return self._find(select(*columns).where(dataset_contents.c.digest == digest), digest)

    def _find(self, statement: Select[Any], digest: str) -> Any:
        found = self._database.read(
            lambda transaction: transaction.connection.execute(statement).one_or_none()
        )
        if found is None:
            raise NotStoredError(_missing(digest))
        return found

    # -- datasets --------------------------------------------------------------------------------------------

    def add(
        self,
        owner: str,
        name: str,
        *,
        digest: str,
        size: int,
        details: Mapping[str, Any],
        most: int | None = None,
        most_bytes: int | None = None,
    ) -> DatasetRecord:
        """Store a dataset whose content is there.

        Parameters
        ----------
        owner, name : str
        digest : str
            The hash of its content.
        size : int
            What counts against `most_bytes`.
        details : JSON value
        most, most_bytes : int, optional
            How many datasets the owner may have, and of which size in all.

        Raises
        ------
        DuplicateError
            When the owner has one of this name.
        NotStoredError
            When there is no such owner, or the content is not there or was removed meanwhile.
        QuotaError
            When the owner would have more than may be.
        """
        record = DatasetRecord(new_id("data"), owner, name, digest, size, dict(details), self.now())

        def check(transaction: Transaction) -> None:
            _check_quota(transaction, owner, size, most, most_bytes)
            if not _is_complete(transaction, digest):
                raise NotStoredError(_missing(digest))

        self.insert_once(datasets, vars(record), f"the dataset name {name!r} of {owner}", check)
        return record

    def get(self, dataset_id: str, *, owner: str | None = None) -> DatasetRecord:
        """Return a dataset; with `owner`, somebody else's does not exist.

        Raises
        ------
        NotStoredError
        """
        wanted = datasets.c.id == dataset_id
        if owner is not None:
            wanted &= datasets.c.owner == owner
        return self.get_row(datasets, DatasetRecord, wanted, f"there is no dataset {dataset_id!r}")

    def find(self, owner: str, name: str) -> DatasetRecord | None:
        """Return an owner's dataset by its name."""
        wanted = (datasets.c.owner == owner) & (datasets.c.name == name)
        return self.find_row(datasets, DatasetRecord, wanted)

    def all(self, *, owner: str | None = None, digest: str | None = None) -> list[DatasetRecord]:
        """Return the datasets by owner and name."""
        wanted: list[ColumnElement[bool]] = [] if owner is None else [datasets.c.owner == owner]
        if digest is not None:
            wanted.append(datasets.c.digest == digest)
        return self.list_rows(datasets, DatasetRecord, *wanted, order=[datasets.c.owner, datasets.c.name])

    def page(self, listing: Listing, *, owner: str | None = None) -> Page[DatasetRecord]:
        """Return a part of the datasets."""
        wanted = [] if owner is None else [datasets.c.owner == owner]
        return self.page_rows(datasets, DatasetRecord, listing, *wanted)

    def rename(self, dataset_id: str, name: str) -> DatasetRecord:
        """Give a dataset another name.

        Raises
        ------
        DuplicateError
            When its owner has another one of this name.
        NotStoredError
            When there is no such dataset.
        """
        self.change_once(datasets, datasets.c.id == dataset_id, f"the dataset name {name!r}", name=name)
        return self.get(dataset_id)

    def is_used(self, digest: str) -> bool:
        """Return whether any dataset has this content, which then must stay."""
        return self.find_row(datasets, DatasetRecord, datasets.c.digest == digest) is not None

    def remove(self, dataset_id: str) -> None:
        """Remove a dataset, and its content when it was the last that has it; nothing happens without one."""

        def work(transaction: Transaction) -> None:
            found = select(datasets.c.digest).where(datasets.c.id == dataset_id)
            digest = transaction.connection.execute(found).scalar_one_or_none()
            if digest is None:
                return
            _lock_content(transaction, digest)
            transaction.connection.execute(delete(datasets).where(datasets.c.id == dataset_id))
            transaction.connection.execute(
                delete(dataset_contents).where(dataset_contents.c.digest == digest, is_unused())
            )

        self._database.write(work)


def is_unused() -> ColumnElement[bool]:
    """Return the condition that no dataset has some content."""
    return ~select(datasets.c.id).where(datasets.c.digest == dataset_contents.c.digest).exists()


def _begin(transaction: Transaction, digest: str, content: NewContent) -> str:
    """Make the row of some content and return the hash of the file whose chunks it has or is to have."""
    known = _lock_content(transaction, digest)
    if known is not None and known.file != content.file:
        if _has_all_chunks(transaction, known.file, known.chunks):
            return str(known.file)
        transaction.connection.execute(delete(dataset_contents).where(dataset_contents.c.digest == digest))
    now = transaction.now()
    statement = transaction.insert(dataset_contents).values(
        digest=digest,
        file=content.file,
        size=content.size,
        chunks=-(-content.size // CHUNK_BYTES),
        preview=pack_json(content.preview),
        created=now,
    )
    # Without a target all unique keys count: of two that insert the same row at once, PostgreSQL refuses one for the
    # key that the target does not name.
    transaction.connection.execute(statement.on_conflict_do_nothing())
    # Begun anew: it is not tidied up while it is being added again.
    begun = update(dataset_contents).where(dataset_contents.c.digest == digest).values(created=now)
    transaction.connection.execute(begun)
    return content.file


def _lock_content(transaction: Transaction, digest: str) -> Any:
    """Keep others from adding or removing datasets of this content; returns its file and how many chunks it has."""
    # FOR UPDATE holds on PostgreSQL; SQLite has one writer anyway.
    found = select(dataset_contents.c.file, dataset_contents.c.chunks)
    statement = found.where(dataset_contents.c.digest == digest).with_for_update()
    return transaction.connection.execute(statement).one_or_none()


def _is_complete(transaction: Transaction, digest: str) -> bool:
    known = _lock_content(transaction, digest)
    return known is not None and _has_all_chunks(transaction, known.file, known.chunks)


def _has_all_chunks(transaction: Transaction, file: str, chunks: int) -> bool:
    count = select(func.count()).select_from(dataset_chunks).where(dataset_chunks.c.file == file)
    return bool(transaction.connection.execute(count).scalar_one() == chunks)


def _check_quota(
    transaction: Transaction, owner: str, size: int, most: int | None, most_bytes: int | None
) -> None:
    if most is None and most_bytes is None:
        return
    # Two uploads of one owner at once are counted one after the other.
    lock = select(users.c.id).where(users.c.id == owner).with_for_update(key_share=True)
    transaction.connection.execute(lock)
    used = select(func.count(), func.coalesce(func.sum(datasets.c.size), 0)).where(datasets.c.owner == owner)
    number, total = transaction.connection.execute(used).one()
    if most is not None and number + 1 > most:
        raise QuotaError(
            f"you have {number} of at most {most} datasets; delete one that is not needed",
            quota="datasets",
            limit=most,
            used=number,
        )
    if most_bytes is not None and total + size > most_bytes:
        raise QuotaError(
            f"your datasets take {total:,} bytes and this one {size:,}, more than the {most_bytes:,} that you "
            "may use; delete one that is not needed",
            quota="dataset_bytes",
            limit=most_bytes,
            used=total,
            asked=size,
        )


def _missing(digest: str) -> str:
    return f"the content {digest[:12]} of a dataset is not stored"
