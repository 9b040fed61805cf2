"""Parameter spaces that owners keep for strategies, in place of the strategies' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from strategy_optimizer.errors import NotStoredError, StorageError
from strategy_optimizer.storage.catalogue_records import ParameterSpaceRecord
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.table_access import TableAccess
from strategy_optimizer.storage.tables import parameter_spaces


class ParameterSpaceStore(TableAccess):
    """One space for each owner and strategy."""

    def put(self, owner: str, strategy: str, space: Mapping[str, Any]) -> ParameterSpaceRecord:
        """Store a space, or put it in place of the one that is there.

        Raises
        ------
        NotStoredError
            When there is no such owner.
        """

        def work(transaction: Transaction) -> None:
            now = transaction.now()
            statement = transaction.insert(parameter_spaces).values(
                owner=owner, strategy=strategy, space=dict(space), created=now, changed=now
            )
            transaction.connection.execute(
                statement.on_conflict_do_update(
                    index_elements=list(parameter_spaces.primary_key.columns),
                    set_={"space": dict(space), "changed": now},
                )
            )

        try:
            self._database.write(work)
        except StorageError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            raise NotStoredError(f"there is no user {owner!r}") from error
        found = self.find(owner, strategy)
        if found is None:  # another request of this owner has just removed it
            raise NotStoredError(f"the parameter space of {strategy!r} was removed meanwhile")
        return found

    def find(self, owner: str, strategy: str) -> ParameterSpaceRecord | None:
        """Return an owner's space for a strategy, None when the strategy's own counts."""
        wanted = (parameter_spaces.c.owner == owner) & (parameter_spaces.c.strategy == strategy)
        return self.find_row(parameter_spaces, ParameterSpaceRecord, wanted)

    def all(self, owner: str) -> list[ParameterSpaceRecord]:
        """Return an owner's spaces by strategy."""
        wanted, order = parameter_spaces.c.owner == owner, [parameter_spaces.c.strategy]
        return self.list_rows(parameter_spaces, ParameterSpaceRecord, wanted, order=order)

    def remove(self, owner: str, strategy: str) -> bool:
        """Remove an owner's space for a strategy and return whether there was one."""
        wanted = (parameter_spaces.c.owner == owner) & (parameter_spaces.c.strategy == strategy)
        return self.remove_rows(parameter_spaces, wanted) > 0
