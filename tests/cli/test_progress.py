"""What a running search shows, on a terminal and elsewhere."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from strategy_optimizer.cli.progress import Pace, SearchProgress, Trying, Waiting, _live_line, progress_text
from strategy_optimizer.records import Finished, Progress, Reproducing, Started, TryingOut


def progress(trials: int, elapsed: float, **changes: object) -> Progress:
    values: dict[str, object] = {
        "trials": trials,
        "failed": 0,
        "infeasible": 0,
        "evaluations": 2000,
        "best_score": 0.81234,
        "best_parameters": {},
        "elapsed": elapsed,
        "trials_per_second": trials / elapsed,
        "seconds_left": (2000 - trials) / (trials / elapsed),
        "fraction": trials / 2000,
    }
    return Progress(**(values | changes))  # type: ignore[arg-type]


def test_plain_lines_come_every_few_seconds_only(capsys: pytest.CaptureFixture[str]) -> None:
    clock = itertools.count(0.0, 0.1)
    with SearchProgress(clock=lambda: next(clock)) as show:
        show(Started("ga", "auto chose ga: it is large", 2000, None))
        for i in range(1, 200):
            show(progress(10 * i, 0.1 * i))
        show(Finished("budget", 2000, 0.8, 20.0))
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0] == "auto chose ga: it is large"
    assert 3 <= len(lines) <= 8
    assert "of 2,000 trials" in lines[1]


def test_the_wait_for_the_compiler_is_explained() -> None:
    times = iter([10.0, 11.0, 15.0])
    waiting = Waiting(lambda: next(times))
    assert waiting.__rich__().plain == "preparing ..."
    assert waiting.__rich__().plain == "compiling, which happens once ... 5 s"


def test_the_wait_for_the_first_backtest_is_said_until_the_search_begins(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRYING_AFTER", "TRYING_INTERVAL"):
        monkeypatch.setattr(f"strategy_optimizer.cli.progress.{name}", 0.01)
    event = TryingOut("HTTP: http://127.0.0.1:9", 120.0)
    with SearchProgress() as show:
        show(event)
        said = ""
        while (
            said.count("waiting for the first backtest of HTTP: http://127.0.0.1:9 for 0 s, at most 120 s\n")
            < 2
        ):
            said += capsys.readouterr().err
        show(Started("ga", "", 2000, None))
        assert show._later is not None
        show._later.join()
        show._say_again(event, 0.0)  # by a timer that was late
    assert capsys.readouterr().err.endswith("searching with ga\n")
    assert Trying(event, iter([1.0, 6.0]).__next__).__rich__().plain.endswith(" for 5 s, at most 120 s ...")


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchProgress(quiet=True, clock=iter(range(0, 1000, 10)).__next__) as show:
        show(Started("ga", "", 2000, None))
        show(progress(10, 1.0))
    assert capsys.readouterr() == ("", "")


def test_a_long_check_of_the_winner_is_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_optimizer.cli.progress.REPRODUCING_AFTER", 0.0)
    with SearchProgress() as show:
        show(Reproducing(1_000_000))
        assert show._later is not None
        show._later.join()
    assert capsys.readouterr().err == "re-running the winner with the reference simulator, 1,000,000 bars\n"
    with SearchProgress(quiet=True) as show:
        show(Reproducing(1_000_000))
        assert show._later is None


def test_a_short_check_of_the_winner_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strategy_optimizer.cli.progress.REPRODUCING_AFTER", 3600.0)
    with SearchProgress() as show:
        show(Reproducing(1_000))
    assert show._later is not None
    show._later.join()  # it ends at once: it was called off
    assert capsys.readouterr().err == ""


def test_a_continued_search_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with SearchProgress() as show:
        show(Started("ga", "", 2000, None, trials=1500))
    assert "continuing after 1,500 trials" in capsys.readouterr().err


def test_the_plain_line_has_score_rate_and_time_left() -> None:
    line = progress_text(progress(500, 0.5, failed=3))
    assert line == "500 of 2,000 trials (25%), best 0.8123, 1,000/s, 1.5 s left, 3 failed"
    assert "best -" in progress_text(progress(500, 0.5, best_score=None))


def test_without_a_planned_number_the_line_has_no_share() -> None:
    line = progress_text(progress(500, 0.5, evaluations=None, fraction=None, seconds_left=None))
    assert line == "500 trials, best 0.8123, 1,000/s"


def test_the_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    pace.recent(progress(32, 3.0))
    for i in range(1, 61):
        event = pace.recent(progress(32 + 20 * i, 3.0 + 0.1 * i))
    assert event.trials_per_second == pytest.approx(200.0)
    assert event.seconds_left == pytest.approx((2000 - 1232) / 200.0)


def test_the_time_limit_counts_too() -> None:
    pace = Pace(seconds=5.0)
    pace.recent(progress(10, 1.0))
    assert pace.recent(progress(20, 2.0)).seconds_left == pytest.approx(3.0)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_live_line_fits_the_terminal(width: int) -> None:
    stream = io.StringIO()
    target = Console(file=stream, width=width, force_terminal=True, color_system=None)
    target.print(_live_line(progress(1234, 2.0), target))
    lines = stream.getvalue().rstrip("\n").split("\n")
    assert len(lines) == 1
    assert len(lines[0].rstrip()) <= width
    assert "1,234" in lines[0]
