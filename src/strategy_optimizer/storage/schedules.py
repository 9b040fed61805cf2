"""Schedules of re-optimisation. When the next run is due is reckoned above: this keeps it, and lets one run it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, update

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.catalogue_records import NewSchedule, ScheduleRecord
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.table_access import TableAccess, new_id
from strategy_optimizer.storage.tables import schedules

_CHANGEABLE = {"cron", "document", "enabled", "next_run", "last_task", "dataset", "note"}


class ScheduleStore(TableAccess):
    """Schedules and their owners."""

    def add(self, new: NewSchedule) -> ScheduleRecord:
        """Store a schedule.

        Raises
        ------
        NotStoredError
            When there is no such owner.
        """
        values = {**vars(new), "id": new_id("schedule"), "created": self.now()}
        self.insert_once(schedules, values, "the schedule")
        return ScheduleRecord(**values, last_run=None, last_task=None)

    def get(self, schedule_id: str, *, owner: str | None = None) -> ScheduleRecord:
        """Return a schedule; with `owner`, somebody else's does not exist.

        Raises
        ------
        NotStoredError
        """
        wanted = schedules.c.id == schedule_id
        if owner is not None:
            wanted &= schedules.c.owner == owner
        return self.get_row(schedules, ScheduleRecord, wanted, f"there is no schedule {schedule_id!r}")

    def all(self, *, owner: str | None = None) -> list[ScheduleRecord]:
        """Return the schedules, the oldest first."""
        wanted = [] if owner is None else [schedules.c.owner == owner]
        order = [schedules.c.created, schedules.c.id]
        return self.list_rows(schedules, ScheduleRecord, *wanted, order=order)

    def page(self, listing: Listing, *, owner: str | None = None) -> Page[ScheduleRecord]:
        """Return a part of the schedules."""
        wanted = [] if owner is None else [schedules.c.owner == owner]
        return self.page_rows(schedules, ScheduleRecord, listing, *wanted)

    def change(self, schedule_id: str, **values: Any) -> ScheduleRecord:
        """Change cron, document, dataset, enabled, next_run, last_task or note."""
        unknown = values.keys() - _CHANGEABLE
        if unknown:
            raise StorageError(f"{', '.join(sorted(unknown))} of a schedule cannot be changed")
        if values:
            self.change_rows(schedules, schedules.c.id == schedule_id, **values)
        return self.get(schedule_id)

    def remove(self, schedule_id: str) -> None:
        """Remove a schedule; nothing happens when there is none."""
        self.remove_rows(schedules, schedules.c.id == schedule_id)

    def due(self, now: datetime) -> list[ScheduleRecord]:
        """Return the enabled schedules whose next run is not after `now`, the longest due first."""
        wanted = and_(schedules.c.enabled, schedules.c.next_run <= now)
        return self.list_rows(schedules, ScheduleRecord, wanted, order=[schedules.c.next_run])

    def claim(self, schedule: ScheduleRecord, *, next_run: datetime | None, now: datetime) -> bool:
        """Take a due run: set the next one, and return whether this caller is the one to make the task.

        Of several that saw the same run due, one gets True. What was said of the run before is gone.
        """

        def work(transaction: Transaction) -> bool:
            statement = (
                update(schedules)
                .where(
                    schedules.c.id == schedule.id,
                    schedules.c.enabled,
                    schedules.c.next_run == schedule.next_run,
                )
                .values(next_run=next_run, last_run=now, note=None)
            )
            return transaction.connection.execute(statement).rowcount == 1

        return self._database.write(work)
