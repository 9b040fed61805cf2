"""What the checks say about market data: problems with a severity and row numbers, and their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strategy_optimizer.errors import DataError

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
ROWS_KEPT = 20
ROWS_SHOWN = 5
ROWS_RULE = "rows are counted from 1 at the first row of data; a header line does not count"


@dataclass(frozen=True)
class Problem:
    """One finding about market data.

    Attributes
    ----------
    kind : str
        Short name, the same for the same finding: ``unsorted``, ``nan``, ``gap``, ``stale_open``, ...
    severity : {'error', 'warning', 'note'}
        Errors are refused by `load_bars`, warnings want a look, notes are for the record.
    rows : tuple of int
        The first rows concerned (at most 20), counted from 1 at the first row of data.
    message : str
        What was found, and for an error what to do.
    count : int
        How many rows are concerned; may exceed ``len(rows)``.
    details : tuple of str
        More lines, e.g. one per year.
    symbol : str
        The symbol concerned, empty for the only one.
    """

    kind: str
    severity: Severity
    rows: tuple[int, ...]
    message: str
    count: int = 0
    details: tuple[str, ...] = ()
    symbol: str = ""

    def __str__(self) -> str:
        where = f"{self.symbol}: " if self.symbol else ""
        return f"{where}{self.message}{rows_text(self.rows, self.count)}"


def make_problem(
    kind: str,
    severity: Severity,
    message: str,
    rows: Iterable[int] | npt.NDArray[np.int64] = (),
    *,
    details: Sequence[str] = (),
) -> Problem:
    """Return a `Problem` that keeps the first rows and the number of all."""
    listed = rows if isinstance(rows, np.ndarray) else np.asarray(tuple(rows), dtype=np.int64)
    first = tuple(int(row) for row in listed[:ROWS_KEPT])
    return Problem(kind, severity, first, message, count=len(listed), details=tuple(details))


def rows_text(rows: Sequence[int], count: int) -> str:
    """Return row numbers for the end of a message.

    >>> rows_text((3, 9), 2)
    ' (rows 3, 9)'
    >>> rows_text((3, 9, 12, 13, 17, 30), 400)
    ' (rows 3, 9, 12, 13, 17 and 395 more)'
    """
    if not rows:
        return ""
    shown = ", ".join(str(row) for row in rows[:ROWS_SHOWN])
    more = count - len(rows[:ROWS_SHOWN])
    return f" (row{'s' if count > 1 else ''} {shown}{f' and {more:,} more' if more > 0 else ''})"


@dataclass(frozen=True)
class DataReport:
    """What the checks found in some market data; ``str(report)`` is the text of the `check` command.

    Attributes
    ----------
    name : str
        The data's name.
    problems : tuple of Problem
        Errors first, then warnings, then notes.
    n_rows, n_bars : int
        Rows read, and bars that remain after what was asked to be repaired, cut or aligned.
    symbols : tuple of str
    first, last : str
        The first and the last timestamp (UTC), empty without bars.
    calendar : str
        The inferred calendar, e.g. ``daily bars, Monday to Friday``.
    """

    name: str
    problems: tuple[Problem, ...]
    n_rows: int
    n_bars: int
    symbols: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    calendar: str = ""

    @property
    def ok(self) -> bool:
        """Whether no problem is an error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems for which `load_bars` refuses the data."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that want a look but do not stop anything."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Facts for the record: holidays, repairs, guesses."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == severity)

    def __str__(self) -> str:
        lines = [*self._heading(), *(line for problem in self.problems for line in _problem_lines(problem))]
        if any(problem.rows for problem in self.problems):
            lines.append(f"({ROWS_RULE})")
        return "\n".join(lines)

    def _heading(self) -> list[str]:
        extent = f", {self.first} to {self.last}" if self.first else ""
        symbols = f", {len(self.symbols)} symbols" if len(self.symbols) > 1 else ""
        counts = [counted(len(self._of(severity)), severity) for severity in SEVERITIES]
        heading = [f"{self.name}: {self.n_bars:,} bars{symbols}{extent} ({self.n_rows:,} rows read)"]
        if self.calendar:
            heading.append(f"calendar: {self.calendar}")
        return [*heading, ", ".join(counts)]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        fields = {key: value for key, value in vars(self).items() if key != "problems"}
        return {**fields, "ok": self.ok, "problems": [dict(vars(problem)) for problem in self.problems]}

    def raise_errors(self) -> None:
        """Raise one `DataError` that lists every error with its rows; do nothing when there is none."""
        if self.ok:
            return
        rows = sorted({row for problem in self.errors for row in problem.rows})
        lines = "\n".join(f"  - {problem.kind}: {problem}" for problem in self.errors)
        rule = f"\n({ROWS_RULE})" if rows else ""
        extent = f"{counted(len(self.errors), 'problem')} in {counted(self.n_rows, 'row')}"
        heading = f"{self.name} cannot be used as it is, {extent}:"
        raise DataError(f"{heading}\n{lines}{rule}", rows=rows)


def _problem_lines(problem: Problem) -> list[str]:
    head = f"  {problem.severity:<8}{problem.kind}: {problem}"
    return [head, *(f"          {line}" for line in problem.details)]


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "search", "searches")
    ('1 row', '1,200 rows', '2 searches')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def ordered(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems, errors first, otherwise in the given order."""
    return tuple(sorted(problems, key=lambda problem: SEVERITIES.index(problem.severity)))
