"""Any function gets to the workers, from anywhere; what cannot be sent is named before a worker is started."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import types
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contracts.executor import finish, run_all
from strategy_optimizer.errors import ExecutorError, UnsendableError
from strategy_optimizer.tasks.executors import Limits, ProcessExecutor
from strategy_optimizer.tasks.executors.sending import can_be_imported

SCRIPT = """
    from strategy_optimizer.tasks.executors import ProcessExecutor

    {definition}

    executor = ProcessExecutor({function}, workers=2)
    for number in range(4):
        executor.submit(number, number)
    outcomes = []
    while executor.in_flight:
        outcomes += executor.wait()
    executor.close()
    print([outcome.value for outcome in sorted(outcomes, key=lambda outcome: outcome.number)])
"""

DEFINITIONS = {
    "lambda": ("", "lambda x: x * 10"),
    "function of the script": ("def times_ten(x):\n        return x * FACTOR\n    FACTOR = 10", "times_ten"),
    "closure": (
        "def times(factor):\n        def product(x):\n            return x * factor\n        return product",
        "times(10)",
    ),
    "method": (
        "class Times:\n        factor = 10\n        def product(self, x):\n            return x * self.factor",
        "Times().product",
    ),
    "recursive": ("def tens(x):\n        return 10 + tens(x - 1) if x else 0", "tens"),
}


def python(*arguments: str, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], input=text, capture_output=True, text=True, timeout=120, cwd=cwd, check=False
    )  # fmt: skip


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_script_without_a_main_guard(mark: str, tmp_path: Path, kind: str) -> None:
    definition, function = DEFINITIONS[kind]
    (tmp_path / "script.py").write_text(
        textwrap.dedent(SCRIPT.format(definition=definition, function=function)), encoding="utf-8"
    )
    done = python("script.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("[0, 10, 20, 30]\n", "")


@pytest.mark.parametrize("arguments", [("-",), ("-c",), ("-m", "script")], ids=["stdin", "command", "module"])
def test_other_ways_to_start_a_program(mark: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    definition, function = DEFINITIONS["function of the script"]
    text = textwrap.dedent(SCRIPT.format(definition=definition, function=function))
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    if arguments == ("-c",):
        arguments = ("-c", text)
    done = python(*arguments, cwd=tmp_path, text=text)
    assert (done.stdout, done.stderr) == ("[0, 10, 20, 30]\n", "")


def test_a_notebook(mark: str, tmp_path: Path) -> None:
    # What a kernel does: cells are compiled one by one and run in a module __main__ that is no file.
    cells = [
        "import numpy as np\nfrom strategy_optimizer.tasks.executors import ProcessExecutor",
        "prices = np.arange(100_000.0)\nclass Bars:\n    def __init__(self): self.close = prices",
        "def evaluate(parameters):\n    return float(bars.close[parameters['x']])",
        "bars = Bars()",
        "with ProcessExecutor(evaluate, workers=2) as executor:\n    for n in range(3): executor.submit(n, {'x': n})\n"
        "    found = [o for _ in range(20) for o in executor.wait()]",
        "print(sorted((o.number, o.value) for o in found))",
    ]
    kernel = f"""
import sys, types
main = types.ModuleType("__main__")
sys.modules["__main__"] = main
for number, cell in enumerate({cells!r}):
    exec(compile(cell, f"<ipython-input-{{number}}>", "exec"), vars(main))
"""
    done = python("-c", kernel, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("[(0, 0.0), (1, 1.0), (2, 2.0)]\n", "")


def test_a_class_of_the_script_comes_back_as_itself(mark: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import dataclass
            from strategy_optimizer.tasks.executors import ProcessExecutor

            @dataclass
            class Run:
                x: int

            with ProcessExecutor(lambda x: Run(x), workers=1) as executor:
                executor.submit(0, 5)
                value = executor.wait()[0].value
            print(value == Run(5), isinstance(value, Run))
            """
        ),
        encoding="utf-8",
    )
    done = python("script.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True True\n", "")


@pytest.mark.parametrize(
    "decorator", ["dataclass", "dataclass(slots=True)", "dataclass(slots=True, frozen=True)"]
)
def test_arguments_of_a_class_of_the_script_arrive_and_come_back_as_itself(
    mark: str, tmp_path: Path, decorator: str
) -> None:
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            f"""
            from dataclasses import dataclass
            from enum import Enum
            from typing import NamedTuple
            from strategy_optimizer.tasks.executors import ProcessExecutor

            Kind = Enum("Kind", "LONG SHORT")

            class Span(NamedTuple):
                days: int

            @{decorator}
            class Job:
                span: Span
                kind: Kind

            def evaluate(job):
                assert isinstance(job, Job) and isinstance(job.span, Span) and job.kind is Kind.SHORT
                assert hasattr(job, "__dict__") is {"slots" not in decorator}
                return job, Job(Span(job.span.days + 1), job.kind)

            with ProcessExecutor(evaluate, workers=1) as executor:
                for number in range(2):
                    executor.submit(number, Job(Span(5), Kind.SHORT))
                (outcome,) = executor.wait()
            print(outcome.reason, outcome.value == (Job(Span(5), Kind.SHORT), Job(Span(6), Kind.SHORT)))
            """
        ),
        encoding="utf-8",
    )
    done = python("script.py", cwd=tmp_path)
    assert (done.stdout, done.stderr) == (" True\n", "")


def test_a_module_that_begins_a_search_when_imported_is_no_bomb(mark: str, tmp_path: Path) -> None:
    (tmp_path / "strategies.py").write_text(
        textwrap.dedent(
            """
            from strategy_optimizer.tasks.executors import ProcessExecutor

            def evaluate(x):
                return x

            executor = ProcessExecutor(evaluate, workers=2)
            executor.submit(0, 1)
            print(executor.wait(60))
            """
        ),
        encoding="utf-8",
    )
    done = python("-c", "import strategies", cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "strategy_optimizer.errors.ExecutorError: the function cannot be loaded in a worker process"
    )
    assert "a search was begun while a worker process imported your module" in last
    assert 'if __name__ == "__main__"' in last


def test_workers_inside_a_run_are_refused(mark: str) -> None:
    def function(parameters: int) -> None:
        ProcessExecutor(abs)

    with ProcessExecutor(function, workers=1) as executor:
        outcome = run_all(executor, [0])[0]
    assert outcome.reason.startswith("raised: ExecutorError: a run in a worker process made worker processes")


def test_a_module_of_a_folder_on_the_path_goes_by_name(mark: str, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "found_by_name.py").write_text("def f(x):\n    return __file__\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import found_by_name  # type: ignore[import-not-found]

    assert can_be_imported(found_by_name)
    with ProcessExecutor(found_by_name.f, workers=1) as executor:
        assert run_all(executor, [0])[0].value == str(tmp_path / "found_by_name.py")


def test_a_module_from_a_file_goes_with_its_code(mark: str, tmp_path: Path) -> None:
    # As a strategy file is loaded: under a name that no import finds.
    module = types.ModuleType("my_strategy")
    module.__file__ = str(tmp_path / "my_strategy.py")
    sys.modules["my_strategy"] = module
    try:
        exec(
            "class Strategy:\n    def run(self, x): return helper(x)\ndef helper(x): return x + 1",
            vars(module),
        )
        assert not can_be_imported(module)
        with ProcessExecutor(module.Strategy().run, workers=1) as executor:
            assert run_all(executor, [1])[0].value == 2
    finally:
        del sys.modules["my_strategy"]


def test_path_folder_and_arguments_are_the_parents(mark: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["program", "--flag"])
    monkeypatch.syspath_prepend("/nowhere/at/all")
    with ProcessExecutor(lambda x: (str(Path.cwd()), sys.argv, sys.path), workers=1) as executor:
        folder, arguments, path = run_all(executor, [0])[0].value
    assert (folder, arguments, path) == (str(tmp_path), ["program", "--flag"], sys.path)


# -- what cannot be sent -----------------------------------------------------------------------------------------


class Holder:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)

    def run(self, parameters: int) -> int:
        return parameters


def test_what_cannot_be_sent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)  # no worker is started
    connection = sqlite3.connect(":memory:")
    lock = threading.Lock()
    server = socket.socket()
    settings = {"cache": [1, {"lock": lock}]}
    try:
        for function, name, kind, advice in [
            (lambda x: connection, "connection", "sqlite3.Connection", "open it inside the function"),
            (
                lambda x: settings,
                "settings['cache'][1]['lock']",
                "_thread.lock",
                "make it inside the function",
            ),
            (Holder(connection=connection).run, "self.connection", "sqlite3.Connection", "open it inside"),
            (Holder(inner=Holder(lock=lock)).run, "self.inner.lock", "_thread.lock", "make it inside"),
            (partial(max, key=lock), "key", "_thread.lock", "make it inside"),
            (partial(lambda x, y: x, server), "argument 1 of partial", "socket.socket", "open it inside"),
            (lambda x, default=lock: x, "default 1", "_thread.lock", "make it inside"),
            ((lambda f: lambda x: f(x))(lambda x: lock), "lock", "_thread.lock", "make it inside"),
        ]:
            with pytest.raises(UnsendableError) as raised:
                ProcessExecutor(function, workers=2)
            assert f"'{name}' is a {kind}, which exists in this process only" in str(raised.value)
            assert advice in str(raised.value)
    finally:
        connection.close()
        server.close()


def test_a_global_that_cannot_be_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import sqlite3\n"
        "from strategy_optimizer.tasks.executors import ProcessExecutor\n"
        "database = sqlite3.connect(':memory:')\n"
        "def evaluate(x):\n"
        "    return [database.execute('select 1') for _ in range(3)]\n"
        "ProcessExecutor(evaluate)\n",
        encoding="utf-8",
    )
    done = python("script.py", cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == (
        "strategy_optimizer.errors.UnsendableError: the function 'evaluate' cannot be sent to a worker process: "
        "its variable 'database' is a sqlite3.Connection, which exists in this process only; "
        "open it inside the function"
    )


def test_an_argument_that_cannot_be_sent_is_named(mark: str) -> None:
    with ProcessExecutor(lambda parameters: parameters, workers=1) as executor:
        with pytest.raises(UnsendableError, match=r"the parameters\['lock'\]' is a _thread.lock"):
            executor.submit(0, {"lock": threading.Lock()})
        executor.submit(0, lambda: 5)  # what the plain pickler does not send
        assert finish(executor)[0].value() == 5


def test_an_argument_of_a_module_from_a_file_goes_with_its_code(mark: str) -> None:
    module = types.ModuleType("made_by_hand")
    exec("class Job:\n    days = 7\ndef week(job):\n    return job.days", module.__dict__)
    sys.modules["made_by_hand"] = module
    try:
        with ProcessExecutor(lambda job: (job.days, job.week(job)), workers=1) as executor:
            job = module.Job()
            job.week = module.week
            executor.submit(0, job)
            assert finish(executor)[0].value == (7, 7)
    finally:
        del sys.modules["made_by_hand"]


def test_a_function_that_cannot_be_loaded_ends_the_executor(
    mark: str, tmp_path: Path, monkeypatch: Any
) -> None:
    file = tmp_path / "soon_gone.py"
    file.write_text("def f(x):\n    return x\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import soon_gone  # type: ignore[import-not-found]

    with ProcessExecutor(soon_gone.f, workers=2) as executor:
        file.write_text("raise RuntimeError('no such market')", encoding="utf-8")
        os.utime(file, (0, 0))
        executor.submit(0, 1)
        with pytest.raises(
            ExecutorError, match=r"cannot be loaded in a worker process: RuntimeError: no such market"
        ):
            executor.wait(60)


def test_no_function_at_all() -> None:
    with pytest.raises(UnsendableError, match="expected a function of one argument"):
        ProcessExecutor(json.loads("[1]"))


@pytest.mark.parametrize("name", ["workers", "attempts", "recycle_growth", "threads_per_worker", "memory"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_bad_settings_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ExecutorError, match=f"{name} is {value!r}; expected a whole number from 1 up"):
        ProcessExecutor(abs, **{name: value})


@pytest.mark.parametrize("name", ["seconds", "memory", "processes", "output"])
@pytest.mark.parametrize("value", [0, -1, True, "4GB", float("nan")])
def test_bad_limits_are_refused(name: str, value: Any) -> None:
    with pytest.raises(
        ExecutorError, match=rf"the limit '{name}' is {value!r}; expected a positive .*number"
    ):
        Limits(**{name: value})


def test_bytes_and_processes_are_whole_numbers() -> None:
    with pytest.raises(ExecutorError, match=r"'memory' is 4000000000\.0; expected a positive whole number"):
        Limits(memory=4e9)  # type: ignore[arg-type]
    assert Limits(seconds=0.5).seconds == 0.5


def test_numbers_in_flight_and_negative_ones_are_refused(mark: str) -> None:
    with ProcessExecutor(abs, workers=1) as executor:
        executor.submit(3, -1)
        for number in (3, -1):
            with pytest.raises(ExecutorError, match=f"the run {number} is in flight already or negative"):
                executor.submit(number, 1)
        assert finish(executor)[3].value == 1
