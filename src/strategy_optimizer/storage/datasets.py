"""Datasets: who has which, and their content in chunks, kept once however many have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError

from strategy_optimizer.errors import NotStoredError, QuotaError, StorageError
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.records import DatasetRecord
from strategy_optimizer.storage.table_access import TableAccess, new_id
from strategy_optimizer.storage.tables import dataset_chunks, dataset_contents, datasets, users
from strategy_optimizer.storage.task_store import pack_json, unpack_json

CHUNK_BYTES = 2**20
"""The most that one row of content has."""


class DatasetStore(TableAccess):
    """Datasets and their owners."""

    # -- content ---------------------------------------------------------------------------------------------

    def put_content(self, digest: str, chunks: Iterable[bytes], *, size: int, preview: Any) -> None:
        """Store content that a dataset is about to have; the same again changes nothing.

        Parameters
        ----------
        digest : str
            The hash of the bars.
        chunks : iterable of bytes
            At most `CHUNK_BYTES` each; each is written by itself, so that others can write in between.
        size : int
            The bytes of all chunks.
        preview : JSON value

        Raises
        ------
        NotStoredError
            When it was removed meanwhile, with the last other dataset that had it: to be done again.
        """
        count = -(-size // CHUNK_BYTES)
        values = {"digest": digest, "size": size, "chunks": count, "preview": pack_json(preview)}

        def begin(transaction: Transaction) -> None:
            statement = transaction.insert(dataset_contents).values(**values, created=transaction.now())
            transaction.connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[dataset_contents.c.digest], set_={"created": transaction.now()}
                )
            )

        self._database.write(begin)
        for number, payload in enumerate(chunks):
            self._put_chunk(digest, number, payload)

    def _put_chunk(self, digest: str, number: int, payload: bytes) -> None:
        def work(transaction: Transaction) -> None:
            statement = transaction.insert(dataset_chunks).values(
                digest=digest, number=number, payload=payload
            )
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
        for number in range(self._chunks_of(digest)):
            wanted = (dataset_chunks.c.digest == digest) & (dataset_chunks.c.number == number)
            payload = self._database.read(
                lambda transaction, wanted=wanted: transaction.connection.execute(  # type: ignore[misc]
                    select(dataset_chunks.c.payload).where(wanted)
                ).scalar_one_or_none()
            )
            if payload is None:  # it was removed meanwhile
                raise NotStoredError(_missing(digest))
            yield payload

    def preview(self, digest: str) -> Any:
        """Return the preview of some content.

        Raises
        ------
        NotStoredError
            When it is not there.
        """
        statement = select(dataset_contents.c.preview).where(dataset_contents.c.digest == digest)
        found = self._database.read(
            lambda transaction: transaction.connection.execute(statement).scalar_one_or_none()
        )
        if found is None:
            raise NotStoredError(_missing(digest))
        return unpack_json(found)

    def _chunks_of(self, digest: str) -> int:
        statement = select(dataset_contents.c.chunks).where(dataset_contents.c.digest == digest)
        found = self._database.read(
            lambda transaction: transaction.connection.execute(statement).scalar_one_or_none()
        )
        if found is None:
            raise NotStoredError(_missing(digest))
        return int(found)

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


def _lock_content(transaction: Transaction, digest: str) -> int | None:
    """Keep others from adding or removing datasets of this content; returns how many chunks it should have."""
    # FOR UPDATE holds on PostgreSQL; SQLite has one writer anyway.
    found = select(dataset_contents.c.chunks).where(dataset_contents.c.digest == digest).with_for_update()
    chunks: int | None = transaction.connection.execute(found).scalar_one_or_none()
    return chunks


def _is_complete(transaction: Transaction, digest: str) -> bool:
    wanted = _lock_content(transaction, digest)
    if wanted is None:
        return False
    count = select(func.count()).select_from(dataset_chunks).where(dataset_chunks.c.digest == digest)
    return bool(transaction.connection.execute(count).scalar_one() == wanted)


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
