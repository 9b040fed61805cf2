"""Writes a report to a file: whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest.strategy import AnyStrategy
from strategy_optimizer.errors import TaskError
from strategy_optimizer.report.data import Progress, report_data
from strategy_optimizer.report.material import find_material
from strategy_optimizer.report.page import html_page
from strategy_optimizer.tasks import Result
from strategy_optimizer.tasks.files import replace_file

ENDINGS = (".html", ".htm")


def write_report(
    result: Result,
    path: str | Path,
    *,
    strategy: str | AnyStrategy | None = None,
    data: Any = None,
    walk_forward: bool = True,
    call: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a result as one HTML file that needs no network, and return its path.

    Parameters
    ----------
    result : Result
        From `optimize`, or read from a file with `strategy_optimizer.models.read_result`.
    path : str or Path
        Ending in .html; an existing file is replaced.
    strategy, data : optional
        What `optimize` was given. They are needed to draw equity and to run backtests again; a built-in strategy on a
        sample is found by its name. Without them the report says what it leaves out.
    walk_forward : bool
        Whether a walk-forward over the searched bars is made, where that takes less than about 20 seconds.
    call : str, optional
        The command that made the result, for the page.
    progress : callable, optional
        Receives a text on what is being computed.

    Raises
    ------
    TaskError
        The file cannot be written, or strategy or data are not those of the result.

    Examples
    --------
    >>> import tempfile
    >>> from strategy_optimizer import optimize
    >>> result = optimize("momentum", "nasdaq", evaluations=60, ledger=False)
    >>> folder = tempfile.mkdtemp()
    >>> write_report(result, f"{folder}/report.html", walk_forward=False).stat().st_size < 2_000_000
    True
    """
    path = Path(path)
    check_report_path(path)
    material = find_material(result, strategy, data)
    page = html_page(report_data(result, material, windows=walk_forward, call=call, progress=progress))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        replace_file(path, page.encode("utf-8"), temporary)
    except OSError as error:
        raise TaskError(f"the report cannot be written to {path}: {error.strerror or error}") from error
    return path


def check_report_path(path: Path) -> None:
    """Refuse a file that cannot be written, before the work.

    Raises
    ------
    TaskError
        Saying why.
    """
    if path.suffix.lower() not in ENDINGS:
        raise TaskError(
            f"the report {path} has {path.suffix or 'no ending'}; expected one of {', '.join(ENDINGS)}"
        )
    folder = path.parent
    if path.is_dir():
        raise TaskError(f"the report {path} is a folder; expected a file")
    if not folder.is_dir():
        raise TaskError(f"the report {path} needs the folder {folder}, which does not exist")
    if not os.access(folder, os.W_OK):
        raise TaskError(f"the report {path} needs the folder {folder}, which is not writable")
