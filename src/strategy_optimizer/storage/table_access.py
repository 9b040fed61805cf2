"""Reading and writing single rows of a table as records; the smaller parts of the store share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Column, ColumnElement, Table, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from strategy_optimizer.errors import DuplicateError, NotStoredError, StorageError
from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.listing import Listing, Page, Place

R = TypeVar("R")


def new_id(kind: str) -> str:
    """Return an id that nothing else has."""
    return f"{kind}_{uuid4().hex[:16]}"


def record_columns(table: Table, record: type[Any]) -> list[Any]:
    """Return the columns of a table that a record has."""
    return [table.c[field.name] for field in fields(record)]


def beyond(key: Column[Any], id_column: Column[Any], place: tuple[Any, Any], ascending: bool) -> Any:
    """Return the condition that a row comes after a place, of value and id, in a list that is sorted by `key`."""
    value, row_id = place
    if ascending:
        return (key > value) | ((key == value) & (id_column > row_id))
    return (key < value) | ((key == value) & (id_column < row_id))


def in_order(key: Column[Any], id_column: Column[Any], ascending: bool) -> tuple[Any, Any]:
    """Return the order of such a list; those of the same value are told apart by their ids."""
    return (key.asc(), id_column.asc()) if ascending else (key.desc(), id_column.desc())


class TableAccess:
    """Records in and out of the tables of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """Return the time of the database."""
        return self._database.read(lambda transaction: transaction.now())

    def insert_once(
        self,
        table: Table,
        values: Mapping[str, Any],
        what: str,
        check: Callable[[Transaction], None] | None = None,
    ) -> None:
        """Insert a row whose key was made for this call; `check` may refuse it in the same transaction.

        Raises
        ------
        DuplicateError
            When `what` is taken.
        NotStoredError
            When a row that it refers to does not exist.
        """

        def work(transaction: Transaction) -> None:
            if check is not None and not (transaction.is_repeated and _has_row(transaction, table, values)):
                check(transaction)
            statement = transaction.insert(table).values(**values)
            if transaction.is_repeated:
                statement = statement.on_conflict_do_nothing(index_elements=list(table.primary_key.columns))
            transaction.connection.execute(statement)

        try:
            self._database.write(work)
        except StorageError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            if "foreign key" in str(error.__cause__).lower():
                raise NotStoredError(f"{what} belongs to something that does not exist") from error
            raise DuplicateError(f"{what} is taken") from error

    def find_row(self, table: Table, record: type[R], condition: ColumnElement[bool]) -> R | None:
        """Return the record that a condition holds for, None when there is none."""
        found = self.list_rows(table, record, condition, limit=1)
        return found[0] if found else None

    def get_row(self, table: Table, record: type[R], condition: ColumnElement[bool], missing: str) -> R:
        """Return the record that a condition holds for, or raise a `NotStoredError`."""
        found = self.find_row(table, record, condition)
        if found is None:
            raise NotStoredError(missing)
        return found

    def list_rows(
        self,
        table: Table,
        record: type[R],
        *conditions: ColumnElement[bool],
        order: Sequence[Any] = (),
        limit: int | None = None,
    ) -> list[R]:
        """Return the records that all conditions hold for."""
        statement = select(*record_columns(table, record)).where(*conditions).order_by(*order).limit(limit)
        return self._database.read(
            lambda transaction: [record(**row._mapping) for row in transaction.connection.execute(statement)]
        )

    def page_rows(
        self,
        table: Table,
        record: type[R],
        listing: Listing,
        *conditions: ColumnElement[bool],
        id_name: str = "id",
    ) -> Page[R]:
        """Return one part of the list of records that all conditions hold for."""
        key, ids, after = table.c[listing.sort], table.c[id_name], listing.after
        rows = select(*record_columns(table, record)).where(*conditions)
        if after is not None:
            rows = rows.where(beyond(key, ids, (after.value, after.id), listing.ascending))
        rows = rows.order_by(*in_order(key, ids, listing.ascending)).limit(listing.limit + 1)
        count = select(func.count()).select_from(table).where(*conditions)

        def work(transaction: Transaction) -> tuple[list[R], int]:
            found = [record(**row._mapping) for row in transaction.connection.execute(rows)]
            return found, int(transaction.connection.execute(count).scalar_one())

        found, total = self._database.read(work)
        shown, last = found[: listing.limit], None
        if len(found) > listing.limit:
            last = Place(getattr(shown[-1], listing.sort), getattr(shown[-1], id_name))
        return Page(shown, total, last)

    def change_rows(self, table: Table, condition: ColumnElement[bool], **values: Any) -> int:
        """Change the rows that a condition holds for and return how many."""
        statement = update(table).where(condition).values(**values)
        return self._database.write(lambda transaction: transaction.connection.execute(statement).rowcount)

    def change_once(self, table: Table, condition: ColumnElement[bool], what: str, **values: Any) -> int:
        """Change rows as `change_rows` does, or raise a `DuplicateError` when `what` is taken."""
        try:
            return self.change_rows(table, condition, **values)
        except StorageError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            raise DuplicateError(f"{what} is taken") from error

    def remove_rows(self, table: Table, condition: ColumnElement[bool]) -> int:
        """Remove the rows that a condition holds for and return how many."""
        statement = delete(table).where(condition)
        return self._database.write(lambda transaction: transaction.connection.execute(statement).rowcount)


def _has_row(transaction: Transaction, table: Table, values: Mapping[str, Any]) -> bool:
    """Return whether an attempt whose answer was lost has stored the row."""
    keys = [column == values[column.name] for column in table.primary_key.columns]
    return transaction.connection.execute(select(*table.primary_key.columns).where(*keys)).first() is not None
