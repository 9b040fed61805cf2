"""What an error advises, in the words of the command line and of Python: whoever reads it has one of the two."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

# How a caller names a column: its name, (name, format or unit) for timestamps, or None for "leave it out".
ColumnChoice = str | tuple[str, str] | None


def repair_advice(name: str) -> str:
    """Return how a repair is asked for.

    >>> repair_advice("sort")
    '--repair sort (Python: repair="sort")'
    """
    return f'--repair {name} (Python: repair="{name}")'


def columns_advice(choices: Mapping[str, ColumnChoice]) -> str:
    """Return how it is said which column has which role.

    >>> print(columns_advice({"close": "Px Last"}))
    --columns 'close=Px Last' (Python: columns={"close": "Px Last"})
    >>> print(columns_advice({"timestamp": ("Date", "%d/%m/%Y")}))
    --columns timestamp=Date,format=%d/%m/%Y (Python: columns={"timestamp": ("Date", "%d/%m/%Y")})
    """
    typed, written = [], []
    for role, choice in choices.items():
        name, *form = choice if isinstance(choice, tuple) else (choice or "",)
        typed += [f"{role}={name}", *(f"format={text}" for text in form)]
        written.append(f"{_quoted(role)}: {_in_python(choice)}")
    return f"--columns {shlex.quote(','.join(typed))} (Python: columns={{{', '.join(written)}}})"


def _in_python(choice: ColumnChoice) -> str:
    if choice is None:
        return "None"
    return _quoted(choice) if isinstance(choice, str) else f"({', '.join(map(_quoted, choice))})"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
