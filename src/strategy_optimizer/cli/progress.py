"""Shows a running search: a live line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from strategy_optimizer.cli.terminal import console
from strategy_optimizer.number_texts import duration_text, metric_text, rate_text, score_text
from strategy_optimizer.records import (
    Event,
    Finished,
    Progress,
    Reproducing,
    Started,
    TryingOut,
    Usage,
    Validating,
)

PLAIN_INTERVAL = 5.0
BAR_WIDTH = 24
COMPILING_AFTER = 3.0  # seconds without a trial that mean machine code is being made
REPRODUCING_AFTER = 1.0  # seconds that the check of the winner takes before it is explained
# Seconds of an engine's first backtest until it is said, and said again.
TRYING_AFTER, TRYING_INTERVAL = 3.0, 30.0
RATE_WINDOW = 3.0  # seconds; the first trials wait for the compiler and would spoil a longer mean


class LiveProgress:
    """One live line on a terminal, a plain line every few seconds elsewhere, both on stderr; a context manager.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    clock : callable
        Seconds; for tests.
    """

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console(stderr=True)
        self._quiet = quiet
        self._clock = clock
        self._last_line = clock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        # With FORCE_COLOR Rich takes a pipe for a terminal; a line that overwrites itself needs a real one.
        if not self._quiet and sys.stderr.isatty() and not self._console.is_dumb_terminal:
            waiting = Waiting(self._clock)
            self._live = Live(waiting, console=self._console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _update(self, live: Callable[[], RenderableType], plain: Callable[[], str]) -> None:
        """Show how far it is: `live` on a terminal, else `plain`, not too often."""
        if self._live is not None:
            self._live.update(live())
        elif self._clock() - self._last_line >= PLAIN_INTERVAL:
            self._last_line = self._clock()
            self._say(plain())

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, style="dim")


class SearchProgress(LiveProgress):
    """Receives the events of a search and shows them."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(quiet=quiet, clock=clock)
        self._pace = Pace()
        self._later: threading.Timer | None = None
        self._tried: TryingOut | None = None  # what the timer speaks of
        self._lock = threading.RLock()  # the timer's thread has itself told to speak again

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._be_silent()
        super().__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if self._quiet:
            return
        if isinstance(event, TryingOut):
            self._try_out(event)
        elif isinstance(event, Started):
            self._be_silent()
            self._pace = Pace(event.seconds)
            self._say(_started_text(event))
        elif isinstance(event, Progress):
            recent = self._pace.recent(event)
            self._update(lambda: _live_line(recent, self._console), lambda: progress_text(recent))
        elif isinstance(event, Finished) and self._live is not None:
            self._live.update(Text("checking the winner ...", style="dim"))
        elif isinstance(event, Reproducing):
            self._explain_later(
                "the engine runs the winner again"
                if event.bars is None
                else f"re-running the winner with the reference simulator, {event.bars:,} bars"
            )
        elif isinstance(event, Validating):
            self._explain_later(f"counting all {event.trials:,} trials against the winner")

    def _try_out(self, event: TryingOut) -> None:
        """Say what is waited for: all the time on a terminal, else now and then."""
        start = self._clock()
        if self._live is not None:
            self._live.update(Trying(event, self._clock))
        else:
            self._tried = event
            self._do_later(TRYING_AFTER, self._say_again, event, start)

    def _say_again(self, event: TryingOut, start: float) -> None:
        with self._lock:
            if self._tried is event:
                self._say(event.text(self._clock() - start))
                self._do_later(TRYING_INTERVAL, self._say_again, event, start)

    def _explain_later(self, text: str) -> None:
        """Say what takes so long once it does; it sends no further events itself."""
        self._do_later(REPRODUCING_AFTER, self._explain, text)

    def _do_later(self, seconds: float, what: Callable[..., None], *arguments: object) -> None:
        """Have something said after a while; it takes the place of what was to be said."""
        with self._lock:
            if self._later is not None:
                self._later.cancel()
            self._later = threading.Timer(seconds, what, arguments)
            self._later.daemon = True
            self._later.start()

    def _be_silent(self) -> None:
        """Let nothing be said that was to be said later."""
        with self._lock:
            self._tried = None
            if self._later is not None:
                self._later.cancel()

    def _explain(self, text: str) -> None:
        if self._live is not None:
            self._live.update(Text(f"{text} ...", style="dim"))
        else:
            self._say(text)


class Trying:
    """The line while an engine runs the first backtest."""

    def __init__(self, event: TryingOut, clock: Callable[[], float]) -> None:
        self._event = event
        self._clock = clock
        self._start = clock()

    def __rich__(self) -> Text:
        return Text(f"{self._event.text(self._clock() - self._start)} ...", style="dim")


class Waiting:
    """The line before the first trial; after a while it says what takes so long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start = clock()

    def __rich__(self) -> Text:
        seconds = self._clock() - self._start
        if seconds < COMPILING_AFTER:
            return Text("preparing ...", style="dim")
        return Text(f"compiling, which happens once ... {seconds:.0f} s", style="dim")


class Pace:
    """The rate of the last seconds, and what it says about the time that is left."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, int]] = deque()

    def recent(self, event: Progress) -> Progress:
        """Return the event with the recent rate instead of the mean of the session."""
        self._seen.append((event.elapsed, event.trials))
        while self._seen[-1][0] - self._seen[0][0] > RATE_WINDOW and len(self._seen) > 2:
            self._seen.popleft()
        elapsed, trials = self._seen[0]
        if event.elapsed <= elapsed or event.trials <= trials:
            return event
        rate = (event.trials - trials) / (event.elapsed - elapsed)
        left = [] if self._seconds is None else [max(0.0, self._seconds - event.elapsed)]
        if event.evaluations is not None:
            left.append((event.evaluations - event.trials) / rate)
        return replace(event, trials_per_second=rate, seconds_left=min(left, default=None))


def progress_text(event: Progress) -> str:
    """Return the plain line.

    >>> progress_text(Progress(500, 3, 0, 2000, 0.8123, {}, 0.5, 1000.0, 1.5, 0.25))
    '500 of 2,000 trials (25%), best 0.8123, 1,000/s, 1.5 s left, 3 failed'
    """
    total = f" of {event.evaluations:,}" if event.evaluations is not None else ""
    share = f" ({event.fraction:.0%})" if event.fraction is not None else ""
    parts = [f"{event.trials:,}{total} trials{share}", *_figures(event)]
    if event.failed:
        parts.append(f"{event.failed:,} failed")
    return ", ".join(parts)


def _figures(event: Progress) -> list[str]:
    figures = [_standing(event), rate_text(event.trials_per_second)]
    if event.seconds_left is not None:
        figures.append(f"{duration_text(event.seconds_left)} left")
    return figures + ([] if event.usage is None else [usage_text(event.usage)])


def usage_text(usage: Usage) -> str:
    """Return what the workers do.

    >>> usage_text(Usage(workers=4, busy=3, memory=512 * 2**20))
    '3 of 4 workers busy, 512 MB'
    """
    memory = f", {usage.memory / 2**20:,.0f} MB" if usage.memory else ""
    return f"{usage.busy} of {usage.workers} workers busy{memory}"


def _standing(event: Progress) -> str:
    """Return the best score; with several objectives the size of the front and the point chosen on it.

    >>> best = {"sharpe_ratio": 0.81, "max_drawdown": 0.25}
    >>> _standing(Progress(9, 0, 0, 20, None, {}, 0.5, 1e3, 1.5, 0.4, front=12, best_metrics=best))
    'front of 12, winner 0.81 / 25.0%'
    """
    if event.front is None:
        return f"best {score_text(event.best_score)}"
    winner = " / ".join(metric_text(name, value) for name, value in (event.best_metrics or {}).items())
    return f"front of {event.front:,}" + (f", winner {winner}" if winner else "")


def _started_text(event: Started) -> str:
    earlier = f"continuing after {event.trials:,} trials; " if event.trials else ""
    chosen = event.optimizer_reason.startswith("auto")
    return earlier + (event.optimizer_reason if chosen else f"searching with {event.optimizer}")


def _live_line(event: Progress, target: Console) -> Table:
    """Return the bar and the figures."""
    total = f"/{event.evaluations:,}" if event.evaluations is not None else ""
    return bar_line(event.fraction, f"{event.trials:,}{total} trials  " + "  ".join(_figures(event)), target)


def bar_line(fraction: float | None, figures: str, target: Console) -> Table:
    """Return a bar with figures; the bar goes first when the terminal is narrow."""
    line = Table.grid(padding=(0, 1))
    room = target.width - len(figures) - 8
    if fraction is None or room < 8:
        line.add_row(Text(figures, overflow="ellipsis", no_wrap=True))
        return line
    bar = ProgressBar(total=1.0, completed=fraction, width=min(BAR_WIDTH, room))
    line.add_row(bar, f"{fraction:4.0%}", Text(figures, no_wrap=True))
    return line
