"""What docs/websockets.md shows is what the service sends."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from api_worlds import progress, serving
from strategy_optimizer.api.hub import GONE, NOT_ALLOWED, NOT_AUTHENTICATED, TOO_SLOW, Pace
from strategy_optimizer.api.sockets import FAULT, FINISHED, MESSAGE_SIZE, MESSAGES, TOO_LARGE, TOO_MUCH
from strategy_optimizer.models.frames import read_frame
from strategy_optimizer.storage import NewEvent

PAGE = (Path(__file__).parents[2] / "docs" / "websockets.md").read_text()


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    ((code, expected),) = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, re.DOTALL)
    with serving(tmp_path / "store.db", tmp_path) as world:
        lease = world.add_task()
        world.store.queue.tell(lease, [progress(1), NewEvent("improvement"), NewEvent("verdict")])
        world.store.queue.finish(lease, "completed")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code.replace("8000", str(world.port)).replace("YOUR_KEY", "ada"), {})
    assert printed.getvalue() == expected


def test_the_frames_that_it_shows_are_frames() -> None:
    shown = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert {read_frame(text).type for text in shown} == {"snapshot", "events", "heartbeat", "end"}


def test_the_codes_and_figures_that_it_names_are_those_of_the_program() -> None:
    for code in (FINISHED, TOO_MUCH, TOO_LARGE, FAULT, TOO_SLOW, NOT_AUTHENTICATED, NOT_ALLOWED, GONE):
        assert str(code) in PAGE
    pace = Pace()
    assert f"after {pace.heartbeat:g} seconds of silence" in PAGE
    assert f"unread for {pace.patience:g} seconds" in PAGE
    assert pace.check + pace.tick < 3, (
        "a key that was revoked is noticed within 5 s, 1.5 s of them by the cache of keys"
    )
    assert f"over {MESSAGES} messages" in PAGE
    assert f"over {MESSAGE_SIZE:,} letters" in PAGE
