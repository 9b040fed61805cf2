"""What Schemathesis is told not to do: end the access that it works with, or wait for news that never comes."""

from __future__ import annotations

import itertools
import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

OWN = frozenset(os.environ.get("FUZZ_OWN", "").split())
"""Ids of the user and the key that the requests show."""
_NUMBERS = itertools.count(1)


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Leave out what would change the own user or key; a test of another kind does that."""
    return not _is_own(case)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Let each request come from another address, or wrong keys would shut the address out for a minute."""
    number = next(_NUMBERS)
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    case.headers = {**(case.headers or {}), "X-Forwarded-For": address}
    if case.path.endswith("/events") and isinstance(case.query, dict) and case.query.get("wait"):
        wait = case.query["wait"]
        if isinstance(wait, (int, float)) and wait > 0.1:
            case.query["wait"] = 0.1 if wait <= 20 else wait
    if _is_own(case):  # a link led here
        case.path_parameters = dict.fromkeys(case.path_parameters, "user_nobody")


def _is_own(case: Case) -> bool:
    changes = case.method.upper() in ("PATCH", "DELETE", "PUT")
    values = (case.path_parameters or {}).values()
    return changes and any(str(value).strip() in OWN for value in values)
