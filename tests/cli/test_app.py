"""Help, version, and how errors end the program."""

from __future__ import annotations

import errno
import os
import re

import pytest

from strategy_optimizer import __version__
from strategy_optimizer.cli import program, searching
from strategy_optimizer.errors import ReproductionError
from strategy_optimizer.tasks import DEFAULT_COSTS

COMMANDS = ("optimize", "check", "strategies", "demo")


def test_help_names_the_commands(call) -> None:
    outcome = call("--help")
    assert outcome.code == 0
    assert all(f"  {command} " in outcome.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples(call, command: str) -> None:
    outcome = call(command, "--help")
    assert outcome.code == 0
    assert re.search(rf"Examples?:\n  +strategy-optimizer {command}", outcome.out)
    assert all(len(line) <= 80 for line in outcome.out.splitlines())


def test_version(call) -> None:
    outcome = call("--version")
    assert (outcome.code, outcome.out) == (0, f"strategy-optimizer {__version__}\n")


def test_no_arguments_show_the_help(call) -> None:
    outcome = call()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: strategy-optimizer ")
    assert outcome.err.endswith("strategy-optimizer optimize --help\n")


def test_default_costs_are_those_of_the_library(call) -> None:
    out = call("optimize", "--help").out
    for name in ("commission", "slippage"):
        assert re.search(rf"--{name} X [^[]*\[default:\s+{getattr(DEFAULT_COSTS, name)}\]", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optmize"], "no such command 'optmize'. Did you mean 'optimize'"),
        (["optimize"], "missing argument 'STRATEGY'"),
        (["optimize", "momentum", "--evalutions", "5"], "--evaluations"),
        (["optimize", "momentum", "--evaluations", "2,000"], "'2,000' is not a whole number, such as 2000"),
        (["optimize", "momentum", "--seed", "x"], "'x' is not a whole number, such as 7"),
        (["optimize", "momentum", "--workers", "x"], "'x' is not a whole number, such as 4"),
        (["optimize", "momentum", "--commission", "0.05%"], "it is a fraction, 5 % is 0.05"),
        (["optimize", "momentum", "--target", "high"], "'high' is not a number, such as 0.05"),
        (["check", "momentum", "more"], "unexpected extra argument"),
    ],
)
def test_a_wrong_call_is_one_line_and_says_where_to_look(call, arguments: list[str], message: str) -> None:
    outcome = call(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
    assert "--help" in outcome.err


def _raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(searching, "run_optimize", fail)


def test_a_fault_of_the_program_is_short_and_says_how_to_see_more(
    call, monkeypatch: pytest.MonkeyPatch
) -> None:
    _raise(monkeypatch, KeyError("lost"))
    outcome = call("optimize", "momentum")
    assert outcome.code == 1
    assert outcome.err.startswith("error: unexpected KeyError: 'lost'\n")
    assert "STRATEGY_OPTIMIZER_DEBUG=1 shows the traceback" in outcome.err
    assert "Traceback" not in outcome.err


def test_debug_shows_the_traceback(call, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, KeyError("lost"))
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DEBUG", "1")
    assert "Traceback" in call("optimize", "momentum").err


def test_a_winner_that_cannot_be_reproduced_is_failed_work(call, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, ReproductionError("sharpe_ratio was 1.0, is 0.9"))
    outcome = call("optimize", "momentum")
    assert (outcome.code, outcome.err) == (1, "error: sharpe_ratio was 1.0, is 0.9\n")


def test_an_error_of_the_system_names_the_file(call, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x"))
    outcome = call("optimize", "momentum")
    assert (outcome.code, outcome.err) == (2, "error: /data/x: No space left on device\n")


def test_ctrl_c_before_the_search_has_the_usual_code(call, monkeypatch: pytest.MonkeyPatch) -> None:
    _raise(monkeypatch, KeyboardInterrupt())
    outcome = call("optimize", "momentum")
    assert outcome.code == 130
    assert outcome.err == ""


def test_ctrl_c_while_the_commands_are_loaded(call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_call", interrupt)
    outcome = call("optimize", "momentum")
    assert (outcome.code, outcome.err) == (130, "")


def test_ctrl_c_while_the_search_is_prepared(call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "prepare", interrupt)
    outcome = call("optimize", "momentum")
    assert (outcome.code, outcome.out) == (130, "")
    assert "interrupted before the first trial" in outcome.err


def test_colours_only_where_wanted(call, monkeypatch: pytest.MonkeyPatch) -> None:
    red = "\x1b[1;31m"
    assert "\x1b[" not in call("strategies", "nothing").err
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert red in call("strategies", "nothing").err
    monkeypatch.setenv("NO_COLOR", "1")
    assert red not in call("strategies", "nothing").err


def test_only_typer_is_imported_for_the_help() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from strategy_optimizer.cli.program import run; run(['--help']);"
        "heavy = {'numpy', 'numba', 'polars', 'pandas', 'scipy', 'pydantic', 'rich'} & set(sys.modules);"
        "sys.exit(str(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_entry_point_is_there() -> None:
    assert callable(program.main)
