"""The command `optimize`: from what was typed to a task, its run, and what is printed and written."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest import Costs
from strategy_optimizer.cli import runs
from strategy_optimizer.cli.arguments import UsageError, parse_duration, parse_settings
from strategy_optimizer.cli.data import load_named_bars, narrowed_space
from strategy_optimizer.cli.exits import DONE, INTERRUPTED, NO_EDGE
from strategy_optimizer.cli.progress import SearchProgress
from strategy_optimizer.cli.result_view import print_result
from strategy_optimizer.cli.search_options import OptimizeOptions, StrategyOptions
from strategy_optimizer.cli.terminal import note
from strategy_optimizer.errors import CheckpointError, StrategyOptimizerError, TaskError
from strategy_optimizer.market.report import counted
from strategy_optimizer.objective import DEFAULT_OBJECTIVE, ParetoObjective, parse_objective
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.tasks import OptimizationTask, Result, make_task, writer_of
from strategy_optimizer.validation import run_and_validate

WHY_NONE = (
    ", the folder of this very call; all its options must be those of the interrupted one, which is kept for "
    f"{runs.KEPT_DAYS} days; or name the folder with --checkpoint"
)


def run_optimize(options: OptimizeOptions, call: Sequence[str]) -> int:
    """Run the search that was asked for and return the exit code.

    Parameters
    ----------
    options : OptimizeOptions
    call : sequence of str
        The arguments as they were typed, to say how the search is continued.
    """
    _check_paths(options)
    found = _search(options, call)
    if found is None:
        return INTERRUPTED
    task, result = found
    _export(result, options, call)
    interrupted = result.stop_reason == "interrupted"
    try:
        _show(result, options, call)
        sys.stdout.flush()
    except BrokenPipeError:
        if not interrupted:
            _forget(task, options)
        raise  # any other error keeps the search: the same call shows it once there is room
    if interrupted:
        _say_how_to_resume(task, call)
        return INTERRUPTED
    _forget(task, options)
    _say_what_is_next(task, options)
    if options.report is not None:
        from strategy_optimizer.cli.report import make_report

        if not make_report(result, options.report, task, call, quiet=options.quiet):
            return INTERRUPTED
    if options.require_edge and result.verdict.decision != "deploy":
        return NO_EDGE
    return DONE


def _check_paths(options: OptimizeOptions) -> None:
    """Refuse files that cannot be written before the search, not after it."""
    for path in options.export:
        check_writable(path)
    if options.report is not None:
        from strategy_optimizer.report import check_report_path  # analysis and drawing, only when used

        check_report_path(options.report)


def _search(options: OptimizeOptions, call: Sequence[str]) -> tuple[OptimizationTask, Result] | None:
    """Return the task and its result; None after a Ctrl-C that left no result."""
    task: OptimizationTask | None = None
    # What a strategy prints must not get into the result.
    with redirect_stdout(sys.stderr), SearchProgress(quiet=options.quiet) as progress:
        try:
            task = prepare(options, progress)
            result = _run(task, options, call)
        except KeyboardInterrupt:  # before the search, or while its winner is checked
            if task is not None and runs.holds_search(_folder(task)):
                _say_how_to_resume(task, call)
            else:
                note("interrupted before the first trial; there is nothing to continue")
            return None
    return None if result is None else (task, result)


def _run(task: OptimizationTask, options: OptimizeOptions, call: Sequence[str]) -> Result | None:
    """Search; None when Ctrl-C came before a trial that can win."""
    try:
        return run_and_validate(task)
    except CheckpointError:
        raise  # what was saved stays, and can be continued
    except StrategyOptimizerError:
        if task.stop_reason == "interrupted":
            _say_how_to_resume(task, call)
            return None
        if task.stop_reason is not None:
            _forget(task, options)  # it ended without a winner, and would do so again
        raise


def prepare(options: OptimizeOptions, progress: SearchProgress) -> OptimizationTask:
    """Return the task; mistakes in the options are found here, the cheapest first."""
    if options.require_edge and not options.validate:
        raise UsageError("--require-edge needs the verdict, which --no-validate leaves out; give one of them")
    arguments = search_arguments(options)
    seconds = parse_duration(options.time) if options.time is not None else None
    task = make_task(
        data=load_named_bars(options),
        seconds=seconds,
        holdout=options.holdout,
        validate=options.validate,
        warm_start=options.warm_start,
        progress=progress,
        **arguments,
    )
    kept = replace(task.settings, **_checkpoint(options, task))
    return OptimizationTask(task.strategy, task.bars, task.space, task.objective, kept, sink=progress)


def search_arguments(options: StrategyOptions) -> dict[str, Any]:
    """Return what `make_task` takes of the options that all searches share."""
    strategy = get_strategy(options.strategy)
    objective = parse_objective(
        DEFAULT_OBJECTIVE if options.objective is None else options.objective,
        options.require,
        options.reference,
    )
    space = narrowed_space(strategy.space(), options.space, options.constraint, options.param)
    optimizer, settings = _optimizer(options, several=isinstance(objective, ParetoObjective))
    _check_settings(settings)
    return {
        "strategy": strategy,
        "optimizer": optimizer,
        "space": space,
        "objective": objective,
        "evaluations": options.evaluations,
        "target": options.target,
        "patience": options.patience,
        "seed": options.seed,
        "costs": Costs(options.commission, options.fixed_fee, options.slippage, options.borrow),
        "fill": options.fill,
        "cash": options.cash,
        "workers": options.workers,
        "ledger": options.ledger,
        **settings,
    }


def _optimizer(options: StrategyOptions, *, several: bool) -> tuple[str, dict[str, Any]]:
    """Return the optimizer's name and settings; a population asks for a genetic algorithm."""
    settings = parse_settings(options.setting)
    for name, value in (("population_size", options.population), ("generations", options.generations)):
        if value is not None and name in settings:
            raise UsageError(f"{name} is given twice, by its own option and by --setting")
        settings |= {} if value is None else {name: value}
    genetic = {"population_size", "generations"} & set(settings)
    if genetic == {"generations"}:
        raise UsageError(
            "generations are of a population, and none is given; add --population, or say --evaluations instead"
        )
    if genetic and options.optimizer == "auto":
        return ("nsga2" if several else "ga"), settings
    return options.optimizer, settings


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a setting that is no setting of an optimizer but has an option of its own."""
    for name in settings:
        if name in signature(make_task).parameters:
            raise UsageError(
                f"--setting {name}: this is no setting of an optimizer; see the options in --help"
            )


def _checkpoint(options: OptimizeOptions, task: OptimizationTask) -> dict[str, Any]:
    """Return where the search is kept: in the given folder, or in one that belongs to this very call."""
    folder = options.checkpoint or runs.run_folder(task.task_id)
    started = runs.holds_search(folder)
    if options.resume and not started:
        raise UsageError(
            f"there is no search to resume in {folder}{WHY_NONE if not options.checkpoint else ''}"
        )
    if options.checkpoint is not None:
        return {"checkpoint": folder, "resume": options.resume}
    if (removed := runs.prune(keep=folder)) and not options.quiet:
        note(f"removed {counted(removed, 'interrupted run')} that nobody continued for {runs.KEPT_DAYS} days")
    if started and not options.resume:
        note("an earlier run of this call was interrupted: it is continued, which gives the same result")
    return {"checkpoint": folder, "resume": started}


def check_writable(path: Path) -> None:
    """Refuse an export that cannot work before the search, not after it."""
    writer_of(path)
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "is a folder" if path.is_dir() else f"needs the folder {folder}, which "
        reason += "" if path.is_dir() else "is not writable" if folder.is_dir() else "does not exist"
        raise UsageError(f"--export {path} {reason}")


def _export(result: Result, options: OptimizeOptions, call: Sequence[str]) -> None:
    """Write the files. A full disk must not cost the sight of the result; its checkpoint is still there."""
    try:
        for path in options.export:
            result.export(str(path))
            note(f"wrote {len(result.history):,} trials to {path}")
    except TaskError:
        _show(result, options, call)
        raise


def _show(result: Result, options: OptimizeOptions, call: Sequence[str]) -> None:
    if options.json:
        sys.stdout.write(result.to_json(indent=2) + "\n")
    else:
        print_result(result, call)


def _forget(task: OptimizationTask, options: OptimizeOptions) -> None:
    """Remove what was kept of a search that has ended, unless it was to be kept."""
    if options.checkpoint is None:
        runs.forget(_folder(task))


def _folder(task: OptimizationTask) -> Path:
    return Path(str(task.settings.checkpoint))


def _say_how_to_resume(task: OptimizationTask, call: Sequence[str]) -> None:
    arguments = [argument for argument in call if argument != "--resume"]
    n = len(task.history)
    what = f"interrupted after {n:,} trials, all" if n else "interrupted; what was done before is"
    note(f"{what} kept in {_folder(task)}")
    note(f"continue with: strategy-optimizer {shlex.join([*arguments, '--resume'])}")


def _say_what_is_next(task: OptimizationTask, options: OptimizeOptions) -> None:
    """Name the look-ahead check to someone who searched a strategy of their own."""
    if options.json or options.quiet or task.strategy.__module__.startswith("strategy_optimizer."):
        return
    reading = {"--data": options.data, "--columns": options.columns, "--repair": options.repair}
    data = [part for option, values in reading.items() for value in values for part in (option, value)]
    note(f"Does it look ahead? strategy-optimizer {shlex.join(['check', options.strategy, *data])}")
