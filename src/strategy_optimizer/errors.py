"""The error tree: everything this package raises on purpose.

Three kinds are kept apart. A caller's mistake is one of these exceptions and says what was found, what was
expected and what to do. An outcome of the work (a failed trial) is a value, never an exception. A failure of
the world (a full disk) is an exception with its cause chained.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

_PLACE = re.compile(r'File "([^"]+)", line (\d+), in (.+)')
_OWN_FOLDER = str(PurePath(__file__).parent)
_INSTALLED = ("site-packages", "dist-packages")
_STANDARD_LIBRARY = re.compile(r"lib(64)?[/\\]python3\.\d+[/\\]|^<frozen ")


class StrategyOptimizerError(Exception):
    """Something went wrong in strategy-optimizer."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class SpaceError(StrategyOptimizerError, ValueError):
    """The parameter space, or a point of it, is not valid."""

    def __init__(self, message: str | None = None, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class DataError(StrategyOptimizerError, ValueError):
    """The market data cannot be used as they are."""

    def __init__(self, message: str | None = None, *, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class DatasetError(DataError):
    """What was uploaded cannot be used as it is.

    Attributes
    ----------
    problems : list of dict
        The findings of the checks, as JSON values.
    """

    def __init__(
        self, message: str | None = None, *, rows: Sequence[int] = (), problems: Sequence[object] = ()
    ) -> None:
        super().__init__(message, rows=rows)
        self.problems = list(problems)


class DatasetInUseError(StrategyOptimizerError):
    """The dataset is used by something that has not ended.

    Attributes
    ----------
    tasks, schedules : list of str
    """

    def __init__(
        self, message: str | None = None, *, tasks: Sequence[str] = (), schedules: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.tasks = list(tasks)
        self.schedules = list(schedules)


class SplitError(StrategyOptimizerError, ValueError):
    """The data cannot be split as asked: a window longer than they are, or nothing left after the purge."""


class StatisticsError(StrategyOptimizerError, ValueError):
    """The input of a statistic has the wrong shape or lies outside its range."""


class SearchError(StrategyOptimizerError):
    """The search cannot go on."""


class OptimizerSettingError(SearchError, ValueError):
    """An optimizer's setting is not valid."""


class OptimizerStateError(SearchError):
    """The state belongs to another space, optimizer or version."""


class BacktestError(StrategyOptimizerError):
    """The backtest cannot be run."""


class StrategyError(BacktestError):
    """The strategy cannot be found, read or run."""


class LookaheadError(BacktestError):
    """The strategy's signals use bars of the future."""

    def __init__(
        self, message: str | None = None, *, bar: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(message)
        self.bar = bar
        self.column = column


class ObjectiveError(StrategyOptimizerError, ValueError):
    """The objective names something that does not exist or cannot be scored."""


class EngineError(StrategyOptimizerError):
    """The backtest engine is not installed, not supported, or does not answer."""


class TaskError(StrategyOptimizerError):
    """The task cannot be run as described."""


class CheckpointError(TaskError):
    """The checkpoint cannot be read, written or continued."""


class ExecutorError(TaskError):
    """The trials cannot be run where they were to run."""


class ClusterUnavailableError(ExecutorError):
    """The cluster that is to run the trials does not answer; the same call may succeed later."""


class UnsendableError(ExecutorError, TypeError):
    """The function, or what it refers to, cannot be sent to a worker process."""


class RunFailedError(ExecutorError):
    """One of several runs failed; stands in its place among the results and is not raised.

    Attributes
    ----------
    failure : str
        How: "raised", "time_limit", "crashed", and so on.
    details : str
        The traceback, or the last output of the process.
    """

    def __init__(self, message: str | None = None, *, failure: str = "", details: str = "") -> None:
        super().__init__(message)
        self.failure = failure
        self.details = details


class NoWinnerError(TaskError):
    """No trial can win: none was finished, all failed, or none satisfies the outcome constraints."""


class ReproductionError(TaskError):
    """The winner's score could not be reproduced by an independent run."""


class TaskNotFoundError(TaskError, KeyError):
    """There is no such task.

    Attributes
    ----------
    task : str
        The id that was looked for.
    """

    def __init__(self, message: str | None = None, *, task: str = "") -> None:
        super().__init__(message or f"there is no task {task!r}")
        self.task = task

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would print it in quotes


class TaskExistsError(TaskError):
    """The task's id, or its idempotency key, is taken by another task."""


class TaskStateError(TaskError):
    """The task is in a state in which this cannot be done.

    Attributes
    ----------
    task, state : str
    """

    def __init__(self, message: str | None = None, *, task: str = "", state: str = "") -> None:
        super().__init__(message)
        self.task = task
        self.state = state


class TrialConflictError(TaskError):
    """Trials that are stored already differ from those that were sent under the same numbers, or some are missing."""


class LeaseLostError(TaskError):
    """Another worker has the task now, or it has ended: nothing of this write was taken."""


class NotAuthenticatedError(StrategyOptimizerError):
    """Who calls is not known: the key, the session or the ticket is missing, wrong, expired or revoked."""


class NotAllowedError(StrategyOptimizerError):
    """Who calls is known, and may not do this."""


class TooManyRequestsError(StrategyOptimizerError):
    """Too many requests came in a short time.

    Attributes
    ----------
    retry_after : float
        Seconds to wait.
    """

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaError(StrategyOptimizerError):
    """What the user may use is used up.

    Attributes
    ----------
    quota : str
        Which: a field of `Quota`.
    limit, used, asked : int
    """

    def __init__(
        self, message: str | None = None, *, quota: str = "", limit: int = 0, used: int = 0, asked: int = 1
    ) -> None:
        super().__init__(message)
        self.quota = quota
        self.limit = limit
        self.used = used
        self.asked = asked


class AccountError(StrategyOptimizerError, ValueError):
    """A user, a key or a password cannot be made or changed like this."""


class LastAdminError(AccountError):
    """Nobody would be left who can administer the service."""


class ComputationError(StrategyOptimizerError):
    """What was to be computed could not be: its process crashed."""


class ComputationTimeError(ComputationError):
    """What was to be computed took too long, and was ended."""


class ComputationMemoryError(ComputationError):
    """What was to be computed took too much memory, and was ended."""


class ComputationBusyError(ComputationError):
    """Too much is being computed at once; the same request may succeed later.

    Attributes
    ----------
    retry_after : float
        Seconds to wait.
    """

    def __init__(self, message: str | None = None, *, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServiceError(StrategyOptimizerError):
    """A service refused a request of its client.

    Attributes
    ----------
    status : int or None
        Of HTTP.
    kind : str
        What the problem's ``type`` ends in, such as ``not-found``.
    details : mapping
    request_id : str or None
        Under which the log of the service has more.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int | None = None,
        kind: str = "",
        details: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.details = dict(details or {})
        self.request_id = request_id


class ServiceUnreachableError(ServiceError):
    """The service does not answer, also after some attempts."""


class ScheduleError(StrategyOptimizerError, ValueError):
    """The times of a schedule cannot be read, or never come."""


class WebhookError(StrategyOptimizerError, ValueError):
    """The address of a webhook is not allowed, or cannot be reached."""


class SettingsError(StrategyOptimizerError, ValueError):
    """A setting of the service is unknown or wrong."""


class StorageError(StrategyOptimizerError):
    """The database cannot be used, or refuses; the cause is chained."""


class StorageUnavailableError(StorageError):
    """The database does not answer, or others hold it for too long; the same call may succeed later."""


class DuplicateError(StorageError, ValueError):
    """The name, or the id, is taken already."""


class NotStoredError(StorageError, KeyError):
    """There is no such user, key, dataset, schedule, strategy or trial."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would print it in quotes


class RepeatedKeyError(StrategyOptimizerError, ValueError):
    """A key stands twice in one object of a JSON text.

    Attributes
    ----------
    key : str
        At most its first hundred letters.
    """

    def __init__(self, message: str | None = None, *, key: str = "") -> None:
        super().__init__(message)
        self.key = key


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string.

    >>> nearest_name("momentun", ["momentum", "rsi"])
    "; did you mean 'momentum'?"
    >>> nearest_name("sharp", ["sortino_ratio", "sharpe_ratio"])
    "; did you mean 'sharpe_ratio'?"
    """
    names = list(known)
    match = get_close_matches(name, names, n=1, cutoff=0.6)
    if not match and len(name) > 2:
        match = [longer for longer in names if longer.startswith(name)]
    return f"; did you mean '{match[0]}'?" if match else ""


def place_in(traceback: str) -> str:
    """Return where in the user's own code an exception arose, from its traceback; empty where that is not known.

    >>> place_in('Traceback: File "/home/me/crossing.py", line 12, in signals')
    ' (crossing.py:12, in signals)'
    >>> place_in('Traceback: File "<string>", line 5, in __init__')
    ''
    >>> place_in('Traceback: File "/usr/lib/python3.11/json/decoder.py", line 337, in decode')
    ''
    """
    for file, line, function in reversed(_PLACE.findall(traceback)):
        if file.startswith(_OWN_FOLDER) or _STANDARD_LIBRARY.search(file):
            continue
        if file == "<string>" and function == "__init__":  # what dataclasses write
            continue
        path = PurePath(file)
        if not any(part in _INSTALLED for part in path.parts):
            inside = "" if function == "<module>" else f", in {function}"
            return f" ({path.name}:{line}{inside})"
    return ""
