"""Runs a function in worker processes that a run can crash, hang or flood without harm to the others.

The executor is one loop without threads: it sleeps until a worker or a guard has something to say.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.base import Executor, FailureKind, Limits, Outcome, Usage
from strategy_optimizer.tasks.executors.child import frames
from strategy_optimizer.tasks.executors.cores import usable_cores
from strategy_optimizer.tasks.executors.deaths import (
    death_of,
    death_of_overdue,
    died_of_hunger,
    with_last_words,
)
from strategy_optimizer.tasks.executors.guarded_process import Frame
from strategy_optimizer.tasks.executors.memory_room import MemoryRoom
from strategy_optimizer.tasks.executors.nesting import refuse_nesting
from strategy_optimizer.tasks.executors.run_endings import crash_text, outcome_of_death, outcome_said
from strategy_optimizer.tasks.executors.sending import sent_argument
from strategy_optimizer.tasks.executors.worker_pool import WorkerPool
from strategy_optimizer.tasks.executors.worker_process import Run, WorkerProcess

RECYCLE_GROWTH = 2**29
FAST = 0.1
"""Seconds; of shorter runs each worker has the next one at hand, so that it waits for nobody."""
STUCK = 0.3
"""Seconds after which a run at hand is taken back from behind a slow one, when another worker is free."""
GUARD_LATE = 5.0
"""Seconds beyond a run's time limit after which its guard, which should have ended it, is ended as well."""
FAILED_STARTS = 10
"""Workers in a row that ended before they had loaded the function; then no further one is tried."""
LIMIT_KINDS: tuple[FailureKind, ...] = ("time_limit", "memory_limit", "process_limit", "output_limit")


class ProcessExecutor(Executor):
    """Runs a function in worker processes.

    Parameters
    ----------
    function : callable
        Of one argument, which it gets pickled, as its value is on the way back; a coroutine function is run to its
        end. A lambda, a closure, a function of a notebook or of ``__main__`` will do. Arrays that it refers to are
        shared by all workers; those of 64 KB and more are read-only there.
    workers : int, optional
        As many as processors that this process may use.
    limits : Limits
        What a run may use. One that passes a limit is killed, with everything that it started.
    attempts : int
        How often a run is begun whose worker dies without having passed a limit.
    recycle_growth : int
        Bytes by which a worker may grow from its first run on; then it is replaced, between two runs.
    threads_per_worker : int
        Threads of BLAS, OpenMP, Numba, Polars and their like in each worker.
    memory : int, optional
        Bytes for all workers together. Near it fewer runs are begun at once; beyond it the youngest is begun again
        later. One run alone may use all of it, if `limits` let it.

    Raises
    ------
    UnsendableError
        When something that the function refers to cannot be pickled; names it, before any worker is started.
    ExecutorError
        When an argument is not valid, or inside a worker.

    Notes
    -----
    It contains accidents, not attackers: a run has the rights of the user who started it.

    Examples
    --------
    >>> with ProcessExecutor(lambda parameters: 10 / parameters["x"], workers=2) as executor:
    ...     for number, x in enumerate([5, 0]):
    ...         executor.submit(number, {"x": x})
    ...     outcomes = executor.wait() + executor.wait()
    >>> for outcome in sorted(outcomes, key=lambda outcome: outcome.number):
    ...     print(outcome.number, outcome.value, outcome.reason or "fine")
    0 2.0 fine
    1 None raised: ZeroDivisionError: division by zero
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        workers: int | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        attempts: int = 3,
        recycle_growth: int = RECYCLE_GROWTH,
        threads_per_worker: int = 1,
        memory: int | None = None,
    ) -> None:
        refuse_nesting()
        self.workers = usable_cores() if workers is None else workers
        for name, value in (
            ("workers", self.workers),
            ("attempts", attempts),
            ("recycle_growth", recycle_growth),
            ("threads_per_worker", threads_per_worker),
            ("memory", 1 if memory is None else memory),
        ):
            _check_count(name, value)
        self.capacity = self.workers
        self._attempts = attempts
        self._limits = limits
        if memory is not None:
            self._limits = Limits(
                limits.seconds, min(memory, limits.memory or memory), limits.processes, limits.output
            )
        growth_of_limit = self._limits.memory // 4 if self._limits.memory else recycle_growth
        self._growth = min(recycle_growth, growth_of_limit)
        self._room = MemoryRoom(memory)
        self._pool = WorkerPool(function, self.workers, self._limits, threads_per_worker)
        self._runs: dict[int, Run] = {}
        self._numbers: set[int] = set()
        self._keys = itertools.count(1)
        self._queue: deque[Run] = deque()
        self._done: dict[int, Outcome] = {}
        self._usual_seconds: float | None = None
        self._restarted = self._retried = self._failed_starts = 0
        self._broken = ""
        self._has_loaded = False
        self._is_closed = False
        self._looked = time.monotonic()

    # -- the interface ---------------------------------------------------------------------------------------

    def submit(self, number: int, argument: Any) -> None:
        """Run the function on `argument` as soon as a worker is free; returns at once.

        Parameters
        ----------
        number : int
            Not negative, and not in flight.
        argument : object
            Anything that can be pickled.

        Raises
        ------
        UnsendableError
            When the argument cannot be pickled.
        ExecutorError
            When the number is in flight, or the executor closed.
        """
        if self._is_closed:
            raise ExecutorError("the executor is closed; make another one")
        if number < 0 or number in self._numbers:
            raise ExecutorError(
                f"the run {number} is in flight already or negative; give each its own number"
            )
        key = next(self._keys)
        run = Run(key, number, frames.pack(frames.JOB, key, sent_argument(argument)))
        self._numbers.add(number)
        self._runs[key] = run
        self._queue.append(run)
        self._feed()

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Return the runs that ended since the last call: at least one, or none after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._runs:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            # With an outcome at hand, take what has arrived beside it and go.
            self._turn(0.0 if self._done else self._patience(rest))
            if self._done:
                break
            if self._broken:
                raise ExecutorError(self._broken)
            if deadline is not None and time.monotonic() >= deadline:
                break
        done, self._done = list(self._done.values()), {}
        self._numbers.difference_update(outcome.number for outcome in done)
        return done

    @property
    def in_flight(self) -> int:
        """Runs submitted whose outcome was not returned yet."""
        return len(self._runs) + len(self._done)

    def usage(self) -> Usage:
        """Return what the workers use, as their guards measured it last: half a second ago, with many workers more."""
        memory, cpu_seconds = self._pool.use()
        busy = sum(worker.state == "busy" for worker in self._pool.alive)
        return Usage(len(self._pool.alive), busy, memory, cpu_seconds, self._restarted, self._retried)

    def close(self) -> None:
        """End the workers and what they run; may be called twice."""
        self._is_closed = True
        self._runs.clear()
        self._numbers.clear()
        self._queue.clear()
        self._done.clear()
        self._pool.close()

    # -- one turn of the loop --------------------------------------------------------------------------------

    def _turn(self, patience: float | None) -> None:
        self._relieve()
        self._end_what_nobody_guards()
        self._feed()
        if self._broken:
            return
        for worker, is_control in self._pool.ready(patience):
            if is_control:
                self._hear_guard(worker)
            elif worker.state != "gone":
                self._hear_worker(worker)
        self._feed()

    def _patience(self, seconds: float | None) -> float | None:
        """Return how long to sleep at most."""
        seconds = self._room.patience(seconds)
        if self._limits.seconds is not None:
            seconds = GUARD_LATE if seconds is None else min(GUARD_LATE, seconds)
        is_watching = self._pool.idle() is not None and any(worker.next for worker in self._pool.alive)
        if not is_watching:
            return seconds
        return STUCK if seconds is None else min(STUCK, seconds)

    def _feed(self) -> None:
        """Give waiting runs to idle workers, start workers as long as there are runs for them, and think ahead."""
        self._take_back_what_is_stuck()
        while self._queue and self._has_room():
            worker = self._pool.idle()
            if worker is None:
                break
            worker.begin(self._queue.popleft())
            self._pool.watch_sending(worker)
            self._pool.note_hungry(worker)
        self._start_workers()
        while self._queue and self._is_fast and (hungry := self._pool.hungry()) is not None:
            self._supply(hungry)

    def _start_workers(self) -> None:
        while not self._broken and self._pool.count() < min(self.workers, len(self._runs)):
            if not self._has_room():
                break
            try:
                self._pool.start()
            except ExecutorError as error:
                if not self._pool.alive:
                    self._broken = str(error)
                break

    @property
    def _is_fast(self) -> bool:
        return self._usual_seconds is not None and self._usual_seconds < FAST

    def _supply(self, worker: WorkerProcess) -> None:
        """Give a busy worker the run that it will go on with."""
        worker.follow(self._queue.popleft())
        self._pool.watch_sending(worker)

    def _take_back_what_is_stuck(self) -> None:
        if self._queue or self._pool.idle() is None:
            return
        late = time.monotonic() - STUCK
        for worker in self._pool.alive:
            if worker.next is not None and worker.since < late and (run := worker.take_back()):
                self._queue.append(run)

    def _has_room(self) -> bool:
        return self._room.is_unlimited or self._room.has_room(self._pool.alive)

    def _relieve(self) -> None:
        """Stop the youngest of several runs when all of them together use too much; it is begun again later."""
        youngest = self._room.too_much(self._pool.alive)
        if youngest is not None:
            self._pool.note_ending(youngest)
            self._restarted += 1
            youngest.stop()

    def _end_what_nobody_guards(self) -> None:
        """Kill guards that let a run go on: somebody stopped them. All that is below a guard ends with it."""
        now, limit = time.monotonic(), self._limits.seconds
        if limit is None or now - self._looked < 1.0:
            return
        self._looked = now
        for worker in self._pool.alive:
            if worker.seconds_over(limit) > GUARD_LATE:
                worker.is_overdue = True
                worker.guard.kill()

    # -- what workers say ------------------------------------------------------------------------------------

    def _hear_worker(self, worker: WorkerProcess) -> None:
        self._pool.watch_sending(worker)
        said, is_open = worker.receive()
        for frame in said:
            self._take(worker, frame)
        if not is_open:
            self._pool.forget_jobs(worker)

    def _take(self, worker: WorkerProcess, frame: Frame) -> None:
        if frame.kind == frames.READY:
            worker.loaded = self._has_loaded = True
            self._failed_starts = 0
            worker.pid = frame.number
            if worker.state == "starting":
                self._pool.rest(worker)
        elif frame.kind == frames.NOT_LOADED:
            worker.problem = json.loads(bytes(frame.payload))[0]
        else:
            self._note_end(worker, frame)

    def _note_end(self, worker: WorkerProcess, frame: Frame) -> None:
        run = self._runs.get(frame.number)
        if run is not None and frame.kind != frames.SKIPPED:
            self._finish(run, outcome_said(run, worker, frame, self._limits.memory))
        if worker.run is not None and worker.run.key == frame.number:
            self._room.learn(worker)
            worker.advance()
            self._go_on(worker, frame.memory)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        """Keep an outcome for the caller: the first of its run, and no other."""
        self._done[run.key] = outcome
        del self._runs[run.key]
        usual = self._usual_seconds
        self._usual_seconds = outcome.seconds if usual is None else 0.9 * usual + 0.1 * outcome.seconds
        self.capacity = 2 * self.workers if self._is_fast else self.workers

    def _go_on(self, worker: WorkerProcess, memory: int) -> None:
        """Let the worker take the next run, or end it when it has grown too much."""
        if worker.state != "busy":
            return
        if worker.baseline is None:
            worker.baseline = memory
        worker.is_tired |= memory - worker.baseline > self._growth or self._is_crowded(worker)
        if worker.run is not None:
            self._pool.note_hungry(worker)
            self._feed()
        elif worker.is_tired:
            self._restarted += 1
            self._pool.note_ending(worker)
            worker.end()
            self._pool.watch_sending(worker)
        else:
            self._pool.rest(worker)
            self._feed()

    def _is_crowded(self, worker: WorkerProcess) -> bool:
        """Say whether runs left so many processes behind that the next one would have too few."""
        most = self._limits.processes
        return most is not None and worker.page.use()[3] > max(1, most // 2)

    # -- what guards say -------------------------------------------------------------------------------------

    def _hear_guard(self, worker: WorkerProcess) -> None:
        report = worker.listen()
        if report is None:
            return
        if worker.jobs.fileno() >= 0:
            self._hear_worker(worker)  # what it said before it died
        state, run = worker.state, worker.run
        self._pool.bury(worker, report)
        if not report and worker.is_overdue and run is not None:
            report = death_of_overdue(run.key, self._limits.seconds)
        if worker.next is not None:
            self._queue.appendleft(worker.next)
        if run is not None and run.key in self._runs:
            self._restarted += state == "busy"
            self._lose(run, worker, report)
        elif not worker.loaded:
            self._note_failed_start(worker, report)
        elif state != "ending":
            self._restarted += 1

    def _lose(self, run: Run, worker: WorkerProcess, report: dict[str, Any]) -> None:
        """Decide on a run whose worker is gone: it failed, or it is begun again."""
        verdict = report.get("verdict", "")
        if verdict in LIMIT_KINDS and report["run"] == run.key:
            self._finish(run, outcome_of_death(run, worker, report, verdict, report["message"]))
            return
        if verdict not in ("stopped", *LIMIT_KINDS):  # those were not its fault
            run.attempts += 1
            run.lost.append(death_of(report))
            is_hungry = self._limits.memory is not None and died_of_hunger(report)
            if is_hungry or run.attempts >= self._attempts:
                kind: FailureKind = "memory_limit" if is_hungry else "crashed"
                self._finish(run, outcome_of_death(run, worker, report, kind, crash_text(run, report)))
                return
        self._retried += 1
        self._queue.appendleft(run)

    def _note_failed_start(self, worker: WorkerProcess, report: dict[str, Any]) -> None:
        self._failed_starts += 1
        self._restarted += 1
        if worker.problem and not self._has_loaded:
            self._broken = (
                f"the function cannot be loaded in a worker process: {worker.problem}. What it needs must be "
                "importable there: same environment, same path"
            )
        elif self._failed_starts >= FAILED_STARTS:
            reason = worker.problem or report.get("message") or death_of(report)
            self._broken = with_last_words(
                f"{FAILED_STARTS} workers in a row did not start; the last one {reason}", report
            )


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ExecutorError(f"{name} is {value!r}; expected a whole number from 1 up")
