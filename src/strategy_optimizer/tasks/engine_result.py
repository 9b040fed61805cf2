"""Puts the result of a search on another engine together: the winner run again, and the defaults beside it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategy_optimizer.engines import Engine
from strategy_optimizer.errors import ReproductionError
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks.ended_search import (
    EndedSearch,
    counts_of,
    progress_of,
    shared_fields,
    winner,
)
from strategy_optimizer.tasks.engine_trial import EngineTrial
from strategy_optimizer.tasks.executors import Executor, Limits, Outcome, ProcessExecutor, SerialExecutor
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.notes import write_notes
from strategy_optimizer.tasks.reproduction import TOLERANCE, compare
from strategy_optimizer.tasks.result import FRONT_POINTS, EngineResult, FrontPoint, Performance
from strategy_optimizer.version import __version__


@dataclass(frozen=True, kw_only=True)
class EngineSearch(EndedSearch):
    """All that the result of a search on an engine is made from.

    Candidates are run again in fresh processes; what was run so is remembered, because a run may take minutes.

    Attributes
    ----------
    engine, held_out : Engine
        On the data that were searched, and on those held out; None where there are none.
    holdout : float
        The share held out that was asked for.
    data : str or None
        `Engine.data_digest` of the whole data.
    digest : str
        Of `engine`.
    """

    engine: Engine
    held_out: Engine | None
    holdout: float
    data: str | None
    digest: str
    limits: Limits
    in_process: bool
    first_parameters: Mapping[str, Any]
    n_blocks: int
    execution: dict[str, Any]
    _known: dict[tuple[bool, str], Outcome] = field(default_factory=dict, repr=False, compare=False)

    def executor(self, engine: Engine, *, keep_returns: bool = False) -> Executor:
        """Return a fresh executor for some runs: one worker, unless the search kept to this process."""
        trial = EngineTrial(engine, self.n_blocks, keep_returns=keep_returns)
        return SerialExecutor(trial) if self.in_process else ProcessExecutor(trial, 1, limits=self.limits)

    def run_searched(self, candidates: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Run candidates on the data that were searched, and keep their returns."""
        return self._runs(self.engine, candidates, is_held_out=False)

    def run_held_out(self, candidates: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Run candidates on the data held out, which there must be, and keep their returns."""
        assert self.held_out is not None
        return self._runs(self.held_out, candidates, is_held_out=True)

    def _runs(
        self, engine: Engine, candidates: Sequence[Mapping[str, Any]], *, is_held_out: bool
    ) -> list[Outcome]:
        keys = [(is_held_out, json.dumps(candidate, sort_keys=True)) for candidate in candidates]
        missing = {key: one for key, one in zip(keys, candidates, strict=True) if key not in self._known}
        if missing:
            outcomes = run_all(self.executor(engine, keep_returns=True), list(missing.values()))
            self._known.update(zip(missing, outcomes, strict=True))
        return [self._known[key] for key in keys]


def run_all(executor: Executor, candidates: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Run candidates, return their outcomes in their order, and close the executor."""
    outcomes: dict[int, Outcome] = {}
    with executor:
        for number, parameters in enumerate(candidates):
            executor.submit(number, parameters)
        while executor.in_flight:
            outcomes |= {outcome.number: outcome for outcome in executor.wait()}
    return [outcomes[number] for number in range(len(candidates))]


def aggregate_engine(search: EngineSearch) -> EngineResult:
    """Return the result of a search.

    Raises
    ------
    TaskError
        No trial could win.
    ReproductionError
        The winner's numbers are others when it is run again.
    """
    history = search.history
    trial = winner(history, search.stop_reason)
    front = [] if history.front is None else history.front.selection(FRONT_POINTS).tolist()
    first = dict(search.first_parameters)
    again, default_run = search.run_searched([trial.parameters, first])
    proof = check_again(search, trial, again)
    points = [history[row] for row in front]
    held_out = _held_out(search, [trial.parameters, first], [point.parameters for point in points])
    best = Performance(trial.metrics | {"composite_score": trial.score}, held_out[0])
    defaults = Performance(scored(search, default_run), held_out[1])
    counts = counts_of(history, search.n_resumed)
    notes = write_notes(
        search.space,
        trial.parameters,
        best,
        defaults,
        None,
        counts,
        search.stop_reason,
        None,
        progress_of(search.optimizer),
        search.why_converged,
    )
    return EngineResult(
        **shared_fields(search, trial, best, defaults, counts, (*notes, *_without_returns(search))),
        strategy_name=search.engine.label,
        strategy_digest=search.digest,
        default_parameters=first,
        versions=_versions(search.engine),
        reproduced_by=proof,
        pareto_front=tuple(_front_point(search, *found) for found in zip(points, held_out[2:], strict=True)),
        execution=search.execution,
    )


def _held_out(
    search: EngineSearch, main: Sequence[Mapping[str, Any]], front: Sequence[Mapping[str, Any]]
) -> list[dict[str, float] | None]:
    """Return the metrics of all on the held-out data; None where there are none."""
    if search.held_out is None:
        return [None] * (len(main) + len(front))
    runs = search.run_held_out(main)
    if front:  # thousands of them: their returns are not kept
        runs += run_all(search.executor(search.held_out), front)
    return [scored(search, run) for run in runs]


def _front_point(search: EngineSearch, trial: Trial, held_out: dict[str, float] | None) -> FrontPoint:
    return FrontPoint(
        trial=trial.number,
        parameters=trial.parameters,
        objectives={name: trial.metrics[name] for name in search.objective.metrics},
        performance=Performance(trial.metrics | {"composite_score": math.nan}, held_out),
    )


def scored(search: EngineSearch, outcome: Outcome) -> dict[str, float]:
    """Return the metrics of a run with their score; NaN where it failed."""
    names = search.objective.names
    values = [math.nan] * len(names) if outcome.failure else outcome.value.row(names).tolist()
    metrics = dict(zip(names, values, strict=True))
    return metrics | {"composite_score": search.objective.composite(metrics)}


def check_again(search: EngineSearch, trial: Trial, outcome: Outcome) -> str:
    """Compare a trial that was chosen with its second run; return what was proved.

    Raises
    ------
    ReproductionError
        The numbers are others.
    """
    if outcome.failure is not None:
        raise ReproductionError(
            f"trial {trial.number} ({trial.parameters}), which was chosen, failed when it was run again: "
            f"{outcome.reason}"
        )
    found = scored(search, outcome)
    expected = trial.metrics | {"composite_score": trial.score}
    differences = [*compare(expected, found), *_other_returns(search.history, trial.number - 1, outcome)]
    if differences:
        raise ReproductionError(
            f"trial {trial.number} ({trial.parameters}), which was chosen, gives other numbers when "
            f"{search.engine.label} runs it again: {'; '.join(differences)}. Do not use these parameters. Random "
            "numbers without a seed, a clock, or something kept from earlier runs behave like this"
        )
    where = "in this process" if search.in_process else "in a fresh process"
    return f"{search.engine.label} {where}: all {len(trial.metrics)} metrics agree to {TOLERANCE:g}"


def _other_returns(history: TrialHistory, row: int, outcome: Outcome) -> Iterator[str]:
    """Say where the returns are others than in the search; the verdict rests on both."""
    sums, again = history.column("sums", row, row + 1)[0], outcome.value.sums
    # Sums without a value: returns over other bars than the other trials', of which validation speaks.
    if (
        again is not None
        and np.isfinite(sums).all()
        and not np.allclose(again[:, 1:], sums, rtol=1e-9, atol=1e-12)
    ):
        part = int(np.abs(again[:, 1:] - sums).sum(axis=1).argmax())
        now, before = again[part, 1], sums[part, 0]
        yield f"the returns of part {part + 1} of {len(sums)} add up to {now:.9g}, before to {before:.9g}"


def _without_returns(search: EngineSearch) -> list[str]:
    if search.history.block_counts.any():
        return []
    if "folds_run" in search.execution:
        return [
            "no verdict: of trials that run fold by fold no returns are kept (prune=False runs them whole)"
        ]
    return [
        "no verdict: the engine gives no returns, and without them nothing can be said of luck (return those from bar "
        "to bar, as many for each candidate)"
    ]


def _versions(engine: Engine) -> dict[str, str]:
    return {
        "strategy_optimizer": __version__,
        "python": platform.python_version(),
        **engine.versions(),
    }
