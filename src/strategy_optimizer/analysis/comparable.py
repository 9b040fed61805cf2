"""Which results can be compared: those that differ in nothing that their numbers hang on."""

from __future__ import annotations

from collections.abc import Sequence

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import Result

SCORE = "composite_score"
PROBLEM = ("strategy_digest", "data", "space", "objective", "costs", "rules")  # fields of a result


def same_problem(results: Sequence[Result]) -> bool:
    """Return whether results are of one problem with one objective, so that their optimizers can be compared."""
    return not results[0].pareto_front and all(
        _difference(results[0], other, PROBLEM) is None for other in results[1:]
    )


def check_same(first: Result, second: Result, names: Sequence[str]) -> None:
    """Refuse results that differ in what makes their numbers comparable."""
    name = _difference(first, second, names)
    if name is not None:
        what = {"strategy_digest": "code of the strategy"}.get(name, name)
        raise TaskError(f"{first.task_id} and {second.task_id} cannot be compared: they differ in the {what}")


def _difference(first: Result, second: Result, names: Sequence[str]) -> str | None:
    """Return the first of these fields in which results differ; of the data which they are, and their division."""
    for name in names:
        mine, theirs = getattr(first, name), getattr(second, name)
        if name == "data":
            mine, theirs = ((data.digest, data.in_sample, data.held_out) for data in (mine, theirs))
        if mine != theirs:
            return name
    return None
