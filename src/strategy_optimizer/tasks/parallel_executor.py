"""The simple way to run a function on many arguments: a list goes in, a list comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from strategy_optimizer.errors import ExecutorError, RunFailedError
from strategy_optimizer.tasks.executors.base import Executor, Limits, Outcome
from strategy_optimizer.tasks.executors.processes import ProcessExecutor


class ParallelExecutor:
    """Runs a function on a list of arguments, in worker processes of this machine or on Ray.

    Parameters
    ----------
    max_workers : int, optional
        As many as processors that this process may use.
    use_ray : bool
        Run on Ray instead; needs the extra ``strategy-optimizer[ray]``.
    limits : Limits
        What one run may use.

    Raises
    ------
    ExecutorError
        When Ray is asked for and not installed.

    Examples
    --------
    >>> executor = ParallelExecutor(max_workers=2)
    >>> results = executor.execute_parallel([{"x": 1}, {"x": 0}, {"x": 4}], lambda task: 8 / task["x"])
    >>> results[0], results[2]
    (8.0, 2.0)
    >>> results[1]
    RunFailedError('raised: ZeroDivisionError: division by zero')
    """

    def __init__(
        self,
        max_workers: int | None = None,
        use_ray: bool = False,
        *,
        limits: Limits = Limits(),  # noqa: B008  # frozen
    ) -> None:
        if use_ray and find_spec("ray") is None:
            raise ExecutorError(
                "Ray is not installed; install the extra (pip install 'strategy-optimizer[ray]'), "
                "or leave use_ray=True out"
            )
        self.max_workers = max_workers
        self.use_ray = use_ray
        self.limits = limits

    def execute_parallel(self, tasks: Iterable[Any], evaluate_func: Callable[[Any], Any]) -> list[Any]:
        """Return the function's value for each task, in the order of the tasks.

        Parameters
        ----------
        tasks : iterable
            What the function gets, one at a time; anything that can be pickled.
        evaluate_func : callable
            Of one argument; may be a coroutine function.

        Returns
        -------
        list
            A run that failed has a `RunFailedError` in its place, so that one bad task does not cost the others.
        """
        arguments = list(tasks)
        if not arguments:
            return []
        found: dict[int, Outcome] = {}
        with self._executor(evaluate_func) as executor:
            for number, argument in enumerate(arguments):
                executor.submit(number, argument)
                if executor.in_flight > executor.capacity:  # so that not all arguments wait here twice
                    found.update(_by_number(executor.wait()))
            while executor.in_flight:
                found.update(_by_number(executor.wait()))
        return [_result(found[number]) for number in range(len(arguments))]

    def _executor(self, function: Callable[[Any], Any]) -> Executor:
        if self.use_ray:
            module = import_module("strategy_optimizer.tasks.executors.ray_executor")
            executor: Executor = module.RayExecutor(function, workers=self.max_workers, limits=self.limits)
            return executor
        return ProcessExecutor(function, self.max_workers, limits=self.limits)


def _by_number(outcomes: list[Outcome]) -> dict[int, Outcome]:
    return {outcome.number: outcome for outcome in outcomes}


def _result(outcome: Outcome) -> Any:
    if outcome.failure is None:
        return outcome.value
    return RunFailedError(outcome.reason, failure=outcome.failure, details=outcome.details)
