"""Makes the client that waits from the one that is awaited: ``python tests/client/make_sync.py``, or make client."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "src/strategy_optimizer/client"
REPLACEMENTS = (
    (
        r'"""The client that is awaited\..*?"""',
        '"""The client that waits. Made from `async_client.py` by ``make client``."""',
    ),
    (r"^import asyncio\n", ""),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bwebsockets\.asyncio\.client\b", "websockets.sync.client"),
    (r"\bhttpx2\.AsyncBaseTransport\b", "httpx2.BaseTransport"),
    (r"\bAsync(Client|Iterator)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\b__a(enter|exit)__\b", r"__\1__"),
    (r"\.aclose\(", ".close("),
    (r"\.a(read|iter_bytes)\(", r".\1("),
)


def sync_source() -> str:
    """Return what `sync_client.py` has to be."""
    text = (FOLDER / "async_client.py").read_text(encoding="utf-8")
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    ruff = [sys.executable, "-m", "ruff"]
    path = ["--stdin-filename", str(FOLDER / "sync_client.py"), "-"]
    text = subprocess.run(
        [*ruff, "check", "--fix-only", "--quiet", "--select", "I,F401", *path],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return subprocess.run(
        [*ruff, "format", *path], input=text, capture_output=True, text=True, check=True
    ).stdout


if __name__ == "__main__":
    (FOLDER / "sync_client.py").write_text(sync_source(), encoding="utf-8")
