"""Checks an uploaded file and writes its bars in the canonical form; called in a confined process.

What kind of file it is says its content, not its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strategy_optimizer.catalogue.dataset_format import preview_of, write_bars
from strategy_optimizer.errors import DataError
from strategy_optimizer.market import Bars, check_bars, load_bars
from strategy_optimizer.market.moments import span_text
from strategy_optimizer.market.report import DataReport

MOST_PROBLEMS = 200
_MAGIC = {b"PAR1": ".parquet", b"\x1f\x8b": ".csv.gz"}


def check_upload(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found.

    Parameters
    ----------
    request : mapping
        ``file``, ``name``, ``columns`` (or None), ``repair``, and the ``target`` of the canonical file.

    Returns
    -------
    dict
        ``problem`` and ``problems`` when the file is refused; else ``digest``, ``details`` and ``preview``.
    """
    try:
        file = _with_suffix(Path(request["file"]))
    except OSError as error:
        return {"problem": f"the upload cannot be read: {error.strerror or error}", "problems": []}
    asked = {
        "name": request["name"],
        "columns": _columns(request["columns"]),
        "repair": tuple(request["repair"]),
    }
    try:
        bars = load_bars(file, **asked)
    except DataError as error:
        text = _without_path(str(error), file, request["name"])
        return {"problem": text, "rows": list(error.rows), "problems": _problems_of(file, asked)}
    assert bars.report is not None
    write_bars(bars, Path(request["target"]))
    details = _details(bars, bars.report) | {"format": file.suffixes[0][1:], "repairs": list(asked["repair"])}
    return {"digest": bars.digest, "details": details, "preview": preview_of(bars)}


def _with_suffix(file: Path) -> Path:
    """Give an upload the ending that its content deserves."""
    with file.open("rb") as opened:
        head = opened.read(4)
    suffix = next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), ".csv")
    return file.rename(file.with_name("upload" + suffix))


def _columns(asked: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if asked is None:
        return None
    return {role: tuple(choice) if isinstance(choice, list) else choice for role, choice in asked.items()}


def _without_path(text: str, file: Path, name: str) -> str:
    return text.replace(str(file), name).replace(file.name, name)


def _problems_of(file: Path, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        return problems_json(check_bars(file, **asked))
    except DataError:  # it cannot be read at all, and the sentence says why
        return []


def problems_json(report: DataReport) -> list[dict[str, Any]]:
    """Return the problems of a report as JSON values."""
    return [
        {**vars(problem), "rows": list(problem.rows), "details": list(problem.details)}
        for problem in report.problems[:MOST_PROBLEMS]
    ]


def _details(bars: Bars, report: DataReport) -> dict[str, Any]:
    return {
        "symbols": list(bars.symbols),
        "bars": bars.n_bars,
        "rows": report.n_rows,
        "first": report.first,
        "last": report.last,
        "interval": span_text(bars.bar_size) if bars.bar_size > 0 else "",
        "calendar": report.calendar,
        "problems": problems_json(report),
    }
