"""Writes the published numbers that the statistics reproduce into docs/evidence.md.

python tests/reference/evidence.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference.validation_references import REFERENCES, Reference

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"
BEGIN, END = "<!-- published numbers: made by `make evidence` -->", "<!-- end of the published numbers -->"
COLUMNS = "| claim | source | expected | tolerance | result |\n|---|---|---:|---:|---:|"


def row(reference: Reference) -> str:
    """Return one row of the table, with what is found now."""
    found = reference.compute()
    expected, tolerance = _number(reference.expected), f"{reference.tolerance:.0e}"
    return f"| {reference.claim} | {reference.source} | {expected} | {tolerance} | {_number(found)} |"


def _number(value: float) -> str:
    return f"{float(value):.12g}"


def written(page: str) -> list[str]:
    """Return the rows that stand in the page."""
    table = page.split(BEGIN)[1].split(END)[0]
    return table.strip().splitlines()[2:]


def main() -> None:
    """Write the table anew."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    rows = "\n".join(map(row, REFERENCES))
    PAGE.write_text(f"{before}{BEGIN}\n{COLUMNS}\n{rows}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
