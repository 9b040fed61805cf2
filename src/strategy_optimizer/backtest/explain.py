"""Says in one line what went wrong inside a user's strategy."""

from __future__ import annotations

import re
from pathlib import Path

from strategy_optimizer.backtest.strategy import ORDER_FIELDS, CompiledStrategy
from strategy_optimizer.errors import nearest_name

_UNKNOWN = re.compile(r"Unknown attribute '(\w+)' of type (BarArrays|Parameters|Outputs)\b")
_OWN_FOLDER = str(Path(__file__).parent)


def place_in_user_code(error: BaseException) -> str:
    """Return the last place outside this and other installed packages that an exception passed, to append."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_OWN_FOLDER) and "site-packages" not in file:
            place = f" ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _unknown(strategy: type[CompiledStrategy], field: str, kind: str) -> str:
    """Say what a loop over bars can read and write, when it asks for something else."""
    flags = ["entries", "exits", *(["short_entries", "short_exits"] if strategy.short else [])]
    owner, fields = {
        "BarArrays": ("bars", ["open", "high", "low", "close", "volume"]),
        "Parameters": ("p", [*strategy.parameters]),
        "Outputs": ("out", [*flags, *strategy.per_bar]),
    }[kind]
    hint = "; the number of bars is bars.close.shape[0]" if field == "n_bars" else ""
    return f"there is no {owner}.{field}{nearest_name(field, fields)} ({owner} has {', '.join(fields)}{hint})"


def explain_compilation(strategy: type[CompiledStrategy], error: BaseException) -> str:
    """Return one readable message for what Numba says over many lines."""
    text = str(error)
    name = strategy.label()
    for field in ("short_entries", "short_exits"):
        if f"'{field}'" in text and not strategy.short:
            return f"{name} writes out.{field}, but the class does not say so: add short = True"
    for field in ORDER_FIELDS:
        if f"Unknown attribute '{field}'" in text:
            return f"{name} writes out.{field}, but the class does not say so: add per_bar = ('{field}',)"
    if found := _UNKNOWN.search(text):
        return f"{name}: {_unknown(strategy, *found.groups())}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = (
        "File ",
        "Unknown attribute",
        "NameError",
        "No implementation",
        "Untyped global",
        "Cannot",
        ">>>",
    )
    useful = [line for line in lines if line.startswith(telling) and "strategy_optimizer_kernel" not in line]
    detail = "; ".join(dict.fromkeys(useful or lines[:2]))
    return f"{name}: signals() or warmup() cannot be compiled: {detail[:600]}"
