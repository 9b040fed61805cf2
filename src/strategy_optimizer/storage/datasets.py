"""What is known of datasets; their content lies in files, or wherever the service keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.storage.records import DatasetRecord
from strategy_optimizer.storage.table_access import TableAccess, new_id
from strategy_optimizer.storage.tables import datasets


class DatasetStore(TableAccess):
    """Datasets and their owners."""

    def add(
        self,
        owner: str,
        name: str,
        *,
        digest: str,
        size: int,
        details: Mapping[str, Any],
    ) -> DatasetRecord:
        """Store a dataset; `digest` is the hash of its content, `size` its bytes, `details` JSON.

        Raises
        ------
        DuplicateError
            When the owner has one of this name.
        NotStoredError
            When there is no such owner.
        """
        record = DatasetRecord(new_id("data"), owner, name, digest, size, dict(details), self.now())
        self.insert_once(datasets, vars(record), f"the dataset name {name!r} of {owner}")
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

    def all(self, *, owner: str | None = None) -> list[DatasetRecord]:
        """Return the datasets by owner and name."""
        wanted = [] if owner is None else [datasets.c.owner == owner]
        return self.list_rows(datasets, DatasetRecord, *wanted, order=[datasets.c.owner, datasets.c.name])

    def is_used(self, digest: str) -> bool:
        """Return whether any dataset has this content, which then must stay."""
        return self.find_row(datasets, DatasetRecord, datasets.c.digest == digest) is not None

    def remove(self, dataset_id: str) -> None:
        """Remove a dataset; nothing happens when there is none."""
        self.remove_rows(datasets, datasets.c.id == dataset_id)
