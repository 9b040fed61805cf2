"""Calls that misbehave: each ends in time, with everything that it started, and says how."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from strategy_optimizer.catalogue.confinement import Confinement, clean_environment, run_confined
from strategy_optimizer.catalogue.descriptions import collect_files, describe_file
from strategy_optimizer.catalogue.versions import built_in_digest

DESCRIBE = "strategy_optimizer.catalogue.describing:describe_file"
LIMITS = Confinement(seconds=15.0, memory=2**29, processes=12, output=2**20, file_size=2**22)


@pytest.fixture
def describe(tmp_path: Path) -> Any:
    def run(code: str, limits: Confinement = LIMITS) -> Any:
        file = tmp_path / "strategy.py"
        file.write_text(code)
        return describe_file(file, "strategy.py", "d" * 64, limits)

    return run


def alive(mark: str) -> list[int]:
    """Return the processes whose command line has a mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                text = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in text:
                found.append(int(entry.name))
    return found


HOSTILE = {
    "endless": ("while True: pass", "ran longer than 3 s"),
    "asleep": ("import time; time.sleep(600)", "ran longer than 3 s"),
    "hog": ("x = []\nwhile True: x.append(bytearray(2**24))", "memory"),
    "one huge allocation": ("x = bytearray(2**36)", "MemoryError|memory"),
    "exit": ("import os; os._exit(7)", "ended itself with exit code 7"),
    "system exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "interrupt": ("raise KeyboardInterrupt", "exit code|KeyboardInterrupt|SIGINT"),
    "crash": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "flood": ("while True: print('x' * 10_000)", "wrote more than 1 MB"),
    "large file": ("open('x', 'wb').write(bytes(2**23))", "File too large|cannot be loaded"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "no module": ("import nothing_of_this_name", "No module named"),
    "null bytes": ("x = 1\0", "null|cannot be loaded"),
    "closed answer": (
        "import os\nfor f in range(3, 64):\n    try: os.close(f)\n    except OSError: pass",
        "without an answer|exit code|raised",
    ),
    "forged names": (
        "from strategy_optimizer import Strategy, Discrete\n"
        "class S(Strategy):\n    parameters = {'__class__': 1}\n",
        "parameters cannot be used",
    ),
    "parameters that raise": (
        "from strategy_optimizer import Strategy\n"
        "class S(Strategy):\n    parameters = {'a': 1}\n    @classmethod\n    def space(cls): raise OSError('no')\n",
        "parameters cannot be used: no",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_strategy_files(kind: str, describe: Any, tmp_path: Path) -> None:
    code, expected = HOSTILE[kind]
    seconds = 3.0 if "3 s" in expected else 15.0
    found = describe(code, Confinement(seconds=seconds, memory=2**29, processes=12, file_size=2**22))
    text = found if isinstance(found, str) else " ".join(map(str, found.values()))
    assert any(part in text for part in expected.split("|")), text
    assert len(text) <= 2000
    assert alive(str(tmp_path)) == []


FORKS = """
import os, subprocess, sys, time
for n in range({count}):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", {mark!r}])
time.sleep({wait})
"""
DAEMON = """
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", {mark!r}])
    os._exit(0)
os.wait()
"""


def test_processes_beyond_the_limit_end_the_call(describe: Any, tmp_path: Path) -> None:
    mark = f"{tmp_path.name}-forks"
    found = describe(FORKS.format(count=40, mark=mark, wait=60))
    assert "processes at once" in found
    assert alive(mark) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process that leaves its parent is lost")
def test_nothing_is_left_of_a_call_that_ended_well(describe: Any, tmp_path: Path) -> None:
    mark = f"{tmp_path.name}-daemon"
    assert describe(DAEMON.format(mark=mark)) == {}
    assert alive(mark) == []


def test_the_environment_has_no_secrets(describe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "STRATEGY_OPTIMIZER_DATABASE_URL": "postgresql://u:canary@h/d",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PGPASSWORD": "canary",
        "SECRET": "canary",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    assert not secrets.keys() & clean_environment().keys()
    found = describe(
        "import os, pathlib\n"
        "texts = [repr(dict(os.environ)), pathlib.Path('/proc/self/environ').read_text()]\n"
        "texts.append(pathlib.Path(f'/proc/{os.getppid()}/environ').read_text())\n"
        "raise ValueError('canary' in ''.join(texts), os.listdir('.'))\n"
    )
    assert "(False, [])" in found


def test_a_call_ends_with_the_process_that_waits_for_it(tmp_path: Path) -> None:
    mark = f"{tmp_path.name}-waits"
    file = tmp_path / "strategy.py"
    file.write_text(FORKS.format(count=1, mark=mark, wait=600))
    script = (
        "from strategy_optimizer.catalogue.confinement import run_confined, Confinement\n"
        f"run_confined({DESCRIBE!r}, {{'file': {str(file)!r}, 'name': 'x'}}, Confinement(seconds=500))\n"
    )
    waiting = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 120
    while not alive(mark):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    waiting.kill()
    waiting.wait()
    while alive(mark):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_answers(tmp_path: Path) -> None:
    small = Confinement(seconds=30.0, answer=100)
    assert run_confined("json:dumps", {"a": "x" * 200}, small).failure == "unreadable"
    assert run_confined("json:dumps", {"a": "\u00e9"}).value == '{"a": "\\u00e9"}'
    outcome = run_confined("no_such_module:f", {})
    assert (outcome.failure, outcome.value) == ("crashed", None)
    assert "No module named" in outcome.details


def test_a_file_that_breaks_the_parser_is_found_among_others(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "deep.py").write_text("x = " + "-" * 300_000 + "1\n")
    (tmp_path / "brackets.py").write_text("x = " + "(" * 50_000 + ")" * 50_000)
    (tmp_path / "large.py").write_text("#" * (2**20 + 1))
    (tmp_path / "lone.py").write_bytes(b"x = '\xff'\n")
    names = ["good.py", "deep.py", "brackets.py", "large.py", "lone.py", "gone.py"]
    found = collect_files(tmp_path, names, LIMITS)
    assert found["good.py"]["files"] == ["good.py"]
    assert [name for name in names if "problem" in found[name]] == names[1:]
    assert "more than 1,048,576 bytes" in found["large.py"]["problem"]
    assert "cannot be read" in found["gone.py"]["problem"]


def test_the_digest_of_what_is_built_in_is_the_same_in_every_process() -> None:
    script = "from strategy_optimizer.catalogue.versions import built_in_digest; print(built_in_digest())"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == built_in_digest()
