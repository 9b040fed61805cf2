"""When a schedule runs next, by its cron expression."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from strategy_optimizer.errors import ScheduleError

_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 1",
    "@monthly": "0 0 1 * *",
}


def next_runs(cron: str, timezone: str, after: datetime, count: int = 1) -> list[datetime]:
    """Return the next moments of a schedule, in UTC.

    Parameters
    ----------
    cron : str
        Five fields (minute, hour, day of the month, month, day of the week), or ``@hourly``, ``@daily``, ``@weekly``,
        ``@monthly``. A run in an hour that a clock change leaves out comes right after it; one in an hour that comes
        twice runs once.
    timezone : str
        In which the fields are meant, such as ``America/New_York``.
    after : datetime
    count : int

    Raises
    ------
    ScheduleError
        When expression or zone is wrong.

    Examples
    --------
    >>> start = datetime(2026, 11, 29, 22, tzinfo=UTC)
    >>> next_runs("30 16 * * 1-5", "America/New_York", start)[0].isoformat()
    '2026-11-30T21:30:00+00:00'
    """
    zone = _zone(timezone)
    expression = _NAMES.get(cron.strip(), cron.strip())
    if len(expression.split()) != 5:
        raise ScheduleError(
            f"the cron expression {cron!r} has {len(expression.split())} fields; expected five (minute, hour, day, "
            f"month, weekday), such as '30 6 * * 1', or one of {', '.join(_NAMES)}"
        )
    try:
        moments = CronSim(expression, after.astimezone(zone))
        return [moment.astimezone(UTC) for moment in islice(moments, count)]
    except (CronSimError, ValueError) as error:
        raise ScheduleError(f"the cron expression {cron!r} cannot be read: {error}") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(
            f"there is no time zone {name!r}; expected one such as 'America/New_York'"
        ) from error
