"""The command `optimize-engine`: a search whose trials another engine runs."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from strategy_optimizer.cli import runs
from strategy_optimizer.cli.arguments import UsageError, parse_duration, parse_fixed, parse_settings
from strategy_optimizer.cli.engine_view import print_engine_result
from strategy_optimizer.cli.exits import DONE, INTERRUPTED, NO_EDGE
from strategy_optimizer.cli.progress import SearchProgress
from strategy_optimizer.cli.search_options import EngineOptions
from strategy_optimizer.cli.searching import check_writable
from strategy_optimizer.cli.terminal import note
from strategy_optimizer.engines.registry import get_engine
from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.tasks import EngineResult, EngineTask, engine_space, make_engine_task
from strategy_optimizer.tasks.executors import Limits
from strategy_optimizer.tasks.pruning import ERROR, LARGEST_ERROR, is_chance
from strategy_optimizer.validation import run_and_validate

_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)i?b?", re.IGNORECASE)


def run_engine(options: EngineOptions, call: Sequence[str]) -> int:
    """Run the search that was asked for and return the exit code; `call` is what was typed."""
    if options.require_edge and not options.validate:
        raise UsageError("--require-edge needs the verdict, which --no-validate leaves out; give one of them")
    for path in options.export:
        check_writable(path)
    task: EngineTask | None = None
    folder: Path | None = None
    # What an engine prints must not get into the result.
    with redirect_stdout(sys.stderr), SearchProgress(quiet=options.quiet) as progress:
        task, folder = prepare(options, progress)
        try:
            result = run_and_validate(task)
        except KeyboardInterrupt:  # before the search, or while its winner is run again
            _say_how_to_resume(task, folder, call)
            return INTERRUPTED
        except StrategyOptimizerError:
            if task.stop_reason == "interrupted":
                _say_how_to_resume(task, folder, call)
                return INTERRUPTED
            raise
    interrupted = result.stop_reason == "interrupted"
    for path in options.export:
        result.export(str(path))
        note(f"wrote {len(result.history):,} trials to {path}")
    if options.checkpoint is None and not interrupted:
        runs.forget(folder)
    _show(result, options, call)
    if interrupted:
        _say_how_to_resume(task, folder, call)
        return INTERRUPTED
    if options.require_edge and (result.verdict is None or result.verdict.decision != "deploy"):
        return NO_EDGE
    return DONE


def prepare(options: EngineOptions, progress: SearchProgress) -> tuple[EngineTask, Path]:
    """Return the task and the folder that it is kept in."""
    prune = parse_prune(options.prune)
    offered = get_engine(options.engine, options.folds)
    engine = offered.engine
    space = engine_space(engine, options.space or offered.given_space, options.constraint)
    if options.param:
        space = space.fix(parse_fixed(options.param, space.parameters))
    limits = Limits(
        seconds=None if options.trial_time is None else parse_duration(options.trial_time),
        memory=Limits().memory if options.trial_memory is None else parse_size(options.trial_memory),
    )
    task = make_engine_task(
        engine,
        options.optimizer,
        space=space,
        objective=options.objective,
        outcome_constraints=options.require,
        reference=options.reference,
        evaluations=options.evaluations,
        seconds=None if options.time is None else parse_duration(options.time),
        target=options.target,
        patience=options.patience,
        seed=options.seed,
        holdout=options.holdout,
        validate=options.validate,
        ledger=options.ledger,
        executor=options.executor,  # type: ignore[arg-type]  # the task checks it
        workers=options.workers,
        ray_address=options.ray_address,
        limits=limits,
        memory=None if options.memory is None else parse_size(options.memory),
        lookahead=parse_lookahead(options.lookahead),
        cache=options.cache,
        prune=prune,
        warm_start=options.warm_start,
        progress=progress,
        **parse_settings(options.setting),
    )
    folder = options.checkpoint or runs.run_folder(_run_name(task, options))
    task.settings = replace(task.settings, checkpoint=folder, resume=_resumes(folder, options))
    return task, folder


def _resumes(folder: Path, options: EngineOptions) -> bool:
    """Return whether what is in the folder is continued: when that is asked for, or the call was made before."""
    started = runs.holds_search(folder)
    if options.resume and not started:
        raise UsageError(f"there is no search to resume in {folder}")
    if started and not options.resume and options.checkpoint is None:
        note("an earlier run of this call was interrupted: it is continued, which gives the same result")
    return options.resume or (started and options.checkpoint is None)


def _run_name(task: EngineTask, options: EngineOptions) -> str:
    """Return the name of the folder of this very call."""
    settings = task.settings
    parts = [
        task.digest,
        task.space.digest,
        options.objective,
        sorted(options.require),
        options.reference,
        settings.optimizer,
        dict(settings.optimizer_settings),
        settings.seed,
        settings.lookahead,
        settings.prune,
        settings.holdout,
        [dict(point) for point in settings.start_points],
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    return f"{task.engine.label}-{digest}"


def parse_size(text: str) -> int:
    """Return bytes.

    >>> parse_size("4G"), parse_size("512 MB"), parse_size("1000")
    (4294967296, 536870912, 1000)
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"the size '{text}' cannot be read; expected something like 512M or 4G")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_lookahead(text: str) -> int | None:
    """Return how many trials may be in flight unknown to each other; None for ``free``.

    >>> parse_lookahead("8"), parse_lookahead("free")
    (8, None)
    """
    if text.strip().lower() == "free":
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise UsageError(f"--lookahead is '{text}'; expected a whole number from 1 on, or free")
    return int(text)


def parse_prune(text: str) -> bool | float:
    """Return the chance below which a trial is stopped; True for the usual one, and False for ``off``.

    >>> parse_prune("0.01"), parse_prune("0.003"), parse_prune("off")
    (True, 0.003, False)
    """
    if text.strip().lower() == "off":
        return False
    try:
        chance = float(text)
    except ValueError:
        chance = math.nan
    if not is_chance(chance):
        raise UsageError(
            f"--prune is '{text}'; expected the chance of catching up below which a trial is stopped, above 0 and "
            f"below {LARGEST_ERROR} such as 0.003, or off"
        )
    return True if chance == ERROR else chance  # so that it can stand where there are no folds


def _show(result: EngineResult, options: EngineOptions, call: Sequence[str]) -> None:
    if options.json:
        sys.stdout.write(result.to_json(indent=2) + "\n")
    else:
        print_engine_result(result, call)


def _say_how_to_resume(task: EngineTask, folder: Path, call: Sequence[str]) -> None:
    n = len(task.history)
    if not runs.holds_search(folder):
        note("interrupted before the first trial; there is nothing to continue")
        return
    arguments = [argument for argument in call if argument != "--resume"]
    note(f"interrupted after {n:,} trials, kept in {folder}")
    note(f"continue with: strategy-optimizer {shlex.join([*arguments, '--resume'])}")
