"""The command `walk-forward`: from what was typed to a walk-forward, or a matrix of them, and its report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from strategy_optimizer.cli.arguments import UsageError
from strategy_optimizer.cli.data import load_named_bars
from strategy_optimizer.cli.exits import DONE, INTERRUPTED, WORK_FAILED
from strategy_optimizer.cli.search_options import WalkForwardOptions
from strategy_optimizer.cli.searching import check_writable, search_arguments
from strategy_optimizer.cli.terminal import error, note
from strategy_optimizer.cli.walk_forward_view import print_matrix, print_walk_forward
from strategy_optimizer.cli.windows_progress import WindowsDisplay
from strategy_optimizer.errors import TaskError
from strategy_optimizer.validation.walkforward import (
    WalkForward,
    WalkForwardMatrix,
    walk_forward,
    walk_forward_matrix,
)


def run_walk_forward(options: WalkForwardOptions, call: Sequence[str]) -> int:
    """Run the walk-forward that was asked for and return the exit code; `call` is what was typed."""
    _check(options)
    # What a strategy prints must not get into the result.
    with redirect_stdout(sys.stderr), WindowsDisplay(quiet=options.quiet) as display:
        try:
            found = _run(options, display)
        except KeyboardInterrupt:
            note(NOTHING_DONE[options.matrix])
            _say_how_to_resume(options, call)
            return INTERRUPTED
    code = _finish(found, options, call)
    if code == INTERRUPTED:
        _say_how_to_resume(options, call)
    return code


NOTHING_DONE = {
    False: "interrupted before the first window was done",
    True: "interrupted before all windows of one pair of lengths were done",
}


def _check(options: WalkForwardOptions) -> None:
    """Refuse what cannot work before anything is read."""
    for path in options.export:
        check_writable(path)
    if options.resume and options.checkpoint is None:
        raise UsageError("--resume continues what is in the folder of --checkpoint; name it")
    for name in ("train", "test"):
        if "," in getattr(options, name) and not options.matrix:
            raise UsageError(
                f"--{name} {getattr(options, name)} gives several lengths; add --matrix to compare them"
            )
    if options.matrix and options.step is not None:
        raise UsageError("--step does not go with --matrix, which tests all bars once; leave it out")
    if options.matrix and options.export:
        raise UsageError(
            "--export writes the windows of one walk-forward, not a --matrix; use --json for its cells"
        )


def _run(options: WalkForwardOptions, display: WindowsDisplay) -> WalkForward | WalkForwardMatrix:
    arguments: dict[str, Any] = {
        **search_arguments(options),
        "data": load_named_bars(options),
        "anchored": options.anchored,
        "purge": options.purge,
        "choose": options.choose,
        "progress": display,
        "checkpoint": options.checkpoint,
        "resume": options.resume,
    }
    if options.matrix:
        return walk_forward_matrix(train=_lengths(options.train), test=_lengths(options.test), **arguments)
    return walk_forward(train=options.train, test=options.test, step=options.step, **arguments)


def _lengths(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _finish(found: WalkForward | WalkForwardMatrix, options: WalkForwardOptions, call: Sequence[str]) -> int:
    """Write and show what was found; a full disk must not cost the sight of it."""
    if isinstance(found, WalkForwardMatrix):
        _show(found, options, call)
        return DONE if len(found.cells) == found.planned else INTERRUPTED
    try:
        for path in options.export:
            found.export(path)
            note(f"wrote {len(found.windows):,} windows to {path}")
    except TaskError:
        _show(found, options, call)
        raise
    _show(found, options, call)
    if not found.complete:
        return INTERRUPTED
    if all(window.parameters is None for window in found.windows):
        error(f"no window had a valid trial: {found.windows[0].reason}")
        return WORK_FAILED
    return DONE


def _show(found: WalkForward | WalkForwardMatrix, options: WalkForwardOptions, call: Sequence[str]) -> None:
    if options.json:
        sys.stdout.write(found.to_json(indent=2) + "\n")
    elif isinstance(found, WalkForward):
        print_walk_forward(found, call)
    else:
        print_matrix(found, call)


def _say_how_to_resume(options: WalkForwardOptions, call: Sequence[str]) -> None:
    """Name the call that continues, where the windows that are done were kept."""
    if options.checkpoint is None:
        return
    arguments = [argument for argument in call if argument != "--resume"]
    note(f"the windows that are done are kept in {options.checkpoint}")
    note(f"continue with: strategy-optimizer {shlex.join([*arguments, '--resume'])}")
