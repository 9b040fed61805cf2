"""Prints the OpenAPI document: ``python -m strategy_optimizer.api.document > openapi.json``."""

from __future__ import annotations

import json
import sys

from strategy_optimizer.api.app import bare_app
from strategy_optimizer.api.description import describe


def text() -> str:
    """Return the document as JSON, the same for the same version."""
    return json.dumps(describe(bare_app()), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
