"""A stream without room, or without a place: the message names it, and a finished search is not lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
SEARCH = ("optimize", "momentum", "-n", "20", "--quiet", "--no-ledger", "--no-validate")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "STRATEGY_OPTIMIZER_STATE": str(tmp_path), "PYTHONUNBUFFERED": ""}


def program(
    environment: dict[str, str], *arguments: str, **streams: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from strategy_optimizer.cli.program import main; main()", *arguments]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run(command, env=environment, text=True, timeout=300, check=False, **options)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("strategies",), ("strategies", "--json"), ("--help",)], ids=" ".join)
def test_standard_output_is_named(
    environment: dict[str, str], arguments: tuple[str, ...], unbuffered: str
) -> None:
    with FULL.open("w") as full:
        done = program(environment | {"PYTHONUNBUFFERED": unbuffered}, *arguments, stdout=full)
    assert done.stderr == "error: standard output: No space left on device\n"
    assert done.returncode == 2


def test_a_search_whose_result_had_no_room_is_shown_by_the_same_call(environment: dict[str, str]) -> None:
    with FULL.open("w") as full:
        first = program(environment, *SEARCH, stdout=full)
    assert first.stderr.endswith("error: standard output: No space left on device\n")
    kept = Path(environment["STRATEGY_OPTIMIZER_STATE"]) / "runs"
    assert len(list(kept.iterdir())) == 1
    second = program(environment, *SEARCH)
    assert second.returncode == 0
    assert "it is continued" in second.stderr
    assert "momentum on nasdaq" in second.stdout
    assert list(kept.iterdir()) == []


def test_an_export_without_room_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    path = tmp_path / "small" / "trials.csv"
    (tmp_path / "limit.py").write_text(  # a file may have 100 bytes
        "import resource, signal, sys\n"
        "from strategy_optimizer.cli.program import run\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from strategy_optimizer.tasks import export\n"
        "write = export.write_table\n"
        "def limited(*arguments):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "    return write(*arguments)\n"
        "export.write_table = limited\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, str(tmp_path / "limit.py"), *SEARCH, "--export", str(path)]
    done = subprocess.run(
        command, env=environment, text=True, timeout=300, check=False, stdout=subprocess.DEVNULL, stderr=-1
    )
    assert done.returncode == 2
    assert f"error: the trials cannot be written to {path}: File too large" in done.stderr
    assert list(path.parent.iterdir()) == []


def test_standard_error_without_room_leaves_the_exit_code(environment: dict[str, str]) -> None:
    with FULL.open("w") as full:
        assert program(environment, "strategies", "nothing", stderr=full).returncode == 2


def test_a_program_without_standard_output(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -c 'from strategy_optimizer.cli.program import main; main()' strategies >&-"
    done = subprocess.run(
        command, shell=True, env=environment, text=True, timeout=300, check=False, stderr=-1
    )
    assert (done.returncode, done.stderr) == (0, "")
