"""Strategies by version: what they are called and declare. Their code is never here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from strategy_optimizer.errors import NotStoredError, nearest_name
from strategy_optimizer.storage.catalogue_records import (
    NewStrategyVersion,
    StrategyRecord,
    StrategyVersionRecord,
)
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.table_access import TableAccess
from strategy_optimizer.storage.tables import strategies, strategy_versions


class StrategyStore(TableAccess):
    """The strategies that tasks can name, and all versions of them."""

    def save_version(self, name: str, source: str, place: str, version: NewStrategyVersion) -> None:
        """Store a version and make it the newest; a problem that the strategy had is gone."""
        self.save_versions({name: version}, source, place)

    def save_versions(self, versions: Mapping[str, NewStrategyVersion], source: str, place: str) -> None:
        """Store versions of several strategies, by name, all or none."""

        def work(transaction: Transaction) -> None:
            for name, version in versions.items():
                self._save(transaction, name, source, place, version)

        self._database.write(work)

    def _save(
        self, transaction: Transaction, name: str, source: str, place: str, version: NewStrategyVersion
    ) -> None:
        self._put(transaction, name, source=source, place=place, newest=version.digest, problem=None)
        statement = transaction.insert(strategy_versions).values(
            **vars(version), name=name, created=transaction.now()
        )
        # Another release of this program may describe the same code in more detail.
        described = {key: value for key, value in vars(version).items() if key != "digest"}
        transaction.connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(strategy_versions.primary_key.columns), set_=described
            )
        )

    def save_problem(self, name: str, source: str, place: str, problem: str) -> None:
        """Store why a strategy's present content cannot be used; the newest version stays what it was."""
        self._database.write(
            lambda transaction: self._put(transaction, name, source=source, place=place, problem=problem)
        )

    def retire(self, name: str, reason: str) -> None:
        """Let a strategy have no newest version any more: what has one of its versions keeps it."""
        self.change_rows(
            strategies, strategies.c.name == name, newest=None, problem=reason, changed=self.now()
        )

    def _put(self, transaction: Transaction, name: str, **values: Any) -> None:
        """Insert or change a strategy; nothing happens when it is so already."""
        known = transaction.connection.execute(
            select(strategies).where(strategies.c.name == name)
        ).one_or_none()
        if known is not None and all(known._mapping[key] == value for key, value in values.items()):
            return
        values["changed"] = transaction.now()
        statement = transaction.insert(strategies).values(**({"newest": None} | values), name=name)
        transaction.connection.execute(
            statement.on_conflict_do_update(index_elements=[strategies.c.name], set_=values)
        )

    def all(self) -> list[StrategyRecord]:
        """Return the strategies by name."""
        return self.list_rows(strategies, StrategyRecord, order=[strategies.c.name])

    def page(self, listing: Listing) -> Page[StrategyRecord]:
        """Return a part of the strategies."""
        return self.page_rows(strategies, StrategyRecord, listing, id_name="name")

    def find(self, name: str) -> StrategyRecord | None:
        """Return a strategy, None when there is none of this name."""
        return self.find_row(strategies, StrategyRecord, strategies.c.name == name)

    def get(self, name: str) -> StrategyRecord:
        """Return a strategy.

        Raises
        ------
        NotStoredError
            The nearest name is given.
        """
        found = self.find(name)
        if found is None:
            known = [strategy.name for strategy in self.all()]
            raise NotStoredError(
                f"there is no strategy {name!r}{nearest_name(name, known)} (known: {', '.join(known) or 'none'})"
            )
        return found

    def version(self, name: str, digest: str) -> StrategyVersionRecord:
        """Return one version of a strategy.

        Raises
        ------
        NotStoredError
        """
        wanted = (strategy_versions.c.name == name) & (strategy_versions.c.digest == digest)
        missing = f"the strategy {name!r} has no version {digest[:12]}"
        return self.get_row(strategy_versions, StrategyVersionRecord, wanted, missing)

    def versions(self, name: str, *, limit: int = 100) -> list[StrategyVersionRecord]:
        """Return the versions of a strategy, the newest first."""
        order = [strategy_versions.c.created.desc(), strategy_versions.c.digest]
        wanted = strategy_versions.c.name == name
        return self.list_rows(strategy_versions, StrategyVersionRecord, wanted, order=order, limit=limit)

    def page_of_versions(self, name: str, listing: Listing) -> Page[StrategyVersionRecord]:
        """Return a part of the versions of a strategy."""
        wanted = strategy_versions.c.name == name
        return self.page_rows(strategy_versions, StrategyVersionRecord, listing, wanted, id_name="digest")

    def newest_versions(self) -> dict[str, StrategyVersionRecord]:
        """Return the newest version of each strategy that has one."""
        statement = select(
            *[
                column
                for column in strategy_versions.c
                if column.name in StrategyVersionRecord.__annotations__
            ]
        ).join(
            strategies,
            (strategies.c.name == strategy_versions.c.name)
            & (strategies.c.newest == strategy_versions.c.digest),
        )
        rows = self._database.read(
            lambda transaction: list(transaction.connection.execute(statement).mappings())
        )
        return {row["name"]: StrategyVersionRecord(**row) for row in rows}

    def remove(self, name: str) -> None:
        """Remove a strategy with its versions; nothing happens when there is none."""
        self.remove_rows(strategies, strategies.c.name == name)
