"""The program `strategy-optimizer`: it runs a command, and every error ends it with one message and an exit code."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from strategy_optimizer.cli.exits import CALL_WRONG, DONE, INTERRUPTED, PIPE_CLOSED, WORK_FAILED
from strategy_optimizer.errors import NoWinnerError, ReproductionError, StrategyOptimizerError

DEBUG = "STRATEGY_OPTIMIZER_DEBUG"
# Objects between two searches for cycles that nobody uses. What is imported makes hundreds of thousands, and all of
# them stay: with Python's own 700 a tenth of a short command's time goes into looking through them again and again.
NEW_OBJECTS = 50_000
SEARCHING = ("optimize", "optimize-engine", "walk-forward")


def main() -> None:
    """Run the program with the arguments it was started with."""
    gc.set_threshold(NEW_OBJECTS)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # started without it: `>&-`
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # as long as the program runs
    end = _QuickEnd()
    atexit.register(end)
    end.code = run(sys.argv[1:])
    sys.exit(end.code)


class _QuickEnd:
    """Ends the process when all is done, without giving its memory back object by object, which takes 0.2 s.

    What is registered first runs last: threads have been waited for by then, and everybody who registered something
    for the end since has had their turn.
    """

    def __init__(self) -> None:
        self.code: int | None = None  # None: an error went through, of which Python has something to say

    def __call__(self) -> None:
        watched = sys.gettrace() is not None or sys.getprofile() is not None  # by who has something to write
        if self.code is None or watched:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads, or it is closed: Python's own ending knows what to do
            return
        os._exit(self.code)


def run(arguments: Sequence[str]) -> int:
    """Run the program and return its exit code; every error becomes one message on stderr."""
    try:
        code = _call(arguments)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except KeyboardInterrupt:  # while the commands are loaded; Typer ends a command's own with the same code
        return INTERRUPTED
    except StrategyOptimizerError as error:
        code = WORK_FAILED if isinstance(error, NoWinnerError | ReproductionError) else CALL_WRONG
        return _fail(str(error), code, error)
    except BrokenPipeError:
        _silence(sys.stdout)  # whoever read the output has gone
        return PIPE_CLOSED
    except SystemExit as error:  # a strategy file without `if __name__ == "__main__":`
        return _fail(f"the strategy's code ended the program: SystemExit({error.code})", CALL_WRONG, error)
    except OSError as error:
        place = error.filename or _failed_stream(error)
        return _fail(f"{place + ': ' if place else ''}{error.strerror or error}", CALL_WRONG, error)
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Typer's own, as the next: the message is the help
            with suppress(OSError):
                sys.stderr.write(f"{error}\n")
            return CALL_WRONG
        if hasattr(error, "format_message"):  # Typer's own: an unknown option, a value out of range
            return _fail(_usage_text(error), CALL_WRONG, error)
        message = f"unexpected {type(error).__name__}: {error}"
        return _fail(
            f"{message}\nThis is a fault of the program; {DEBUG}=1 shows the traceback", WORK_FAILED, error
        )


def _call(arguments: Sequence[str]) -> object:
    from strategy_optimizer.cli.app import PROGRAM  # not above: Ctrl-C may come while it is loaded

    return _program().main(list(arguments), PROGRAM, standalone_mode=False, obj=tuple(arguments))


def _program() -> Any:
    """Return the program with its commands; of Typer's own classes, which have no types."""
    import typer

    from strategy_optimizer.cli.app import app

    return typer.main.get_command(app)


def _failed_stream(error: OSError) -> str:
    """Return "standard output" when it is what has no room; Python does not say so.

    One more line tells: of what could not be written nothing may be left to try again with.
    """
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return ""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)
        return "standard output"
    return ""


def _silence(stream: TextIO) -> None:
    """Send what is left of a stream nowhere: the interpreter must not try to write it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(message: str, code: int, error: BaseException) -> int:
    from strategy_optimizer.cli.terminal import error as print_error

    try:
        if os.environ.get(DEBUG):
            import traceback

            traceback.print_exception(error)
        print_error(message)
        sys.stderr.flush()
    except OSError:  # nobody can be told: the exit code has to do
        _silence(sys.stderr)
    return code


def _usage_text(error: Exception) -> str:
    """Return Typer's message in our form, with where to look."""
    from strategy_optimizer.cli.app import PROGRAM

    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    message = error.format_message().strip().rstrip(".")  # type: ignore[attr-defined]
    option = getattr(error, "option_name", None)
    if others := _commands_with(option):
        message = f"there is no {option} here; it is an option of {' and '.join(others)}"
    return f"{message[:1].lower()}{message[1:]}; see {path} --help"


def _commands_with(option: str | None) -> list[str]:
    """Return the commands that search and have an option that another one lacks."""
    if option is None:
        return []
    commands = _program().commands
    return [name for name in SEARCHING if any(option in each.opts for each in commands[name].params)]
