"""Shows a running walk-forward: how many windows are done, and the time left."""

from __future__ import annotations

from strategy_optimizer.cli.progress import LiveProgress, bar_line
from strategy_optimizer.number_texts import duration_text
from strategy_optimizer.validation.walkforward import WindowsProgress


class WindowsDisplay(LiveProgress):
    """Receives `WindowsProgress` and shows it."""

    def __call__(self, event: WindowsProgress) -> None:
        """Show how far it is."""
        if not self._quiet:
            text = figures(event)
            self._update(
                lambda: bar_line(event.fraction, text, self._console),
                lambda: f"{text} ({event.fraction:.0%})",
            )


def figures(event: WindowsProgress) -> str:
    """Return the counts and the time left.

    >>> figures(WindowsProgress(3, 34, 3500, 2.0, 0.1, 18.0))
    '3 of 34 windows  3,500 trials  18 s left'
    """
    left = "" if event.seconds_left is None else f"  {duration_text(event.seconds_left)} left"
    return f"{event.done:,} of {event.windows:,} windows  {event.trials:,} trials{left}"
