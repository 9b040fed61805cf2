"""docs/service-reading.md is true: its answers are answers, its limits those of the code, no route is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from strategy_optimizer.api import answers, computing, downloads, problems, reading
from strategy_optimizer.api.app import route_names
from strategy_optimizer.api.routes import analysis, exports, history
from strategy_optimizer.models.analysis import PredictionOut
from strategy_optimizer.models.history import HistoryOut
from strategy_optimizer.models.service_task import ConvergenceOut
from strategy_optimizer.reading import exporting, table_files
from strategy_optimizer.reading import history as pages

TEXT = (Path(__file__).parents[2] / "docs" / "service-reading.md").read_text(encoding="utf-8")


def test_every_route_is_there() -> None:
    for method, path in route_names([history.router, exports.router, analysis.router]):
        assert f"`{method} {path}`" in TEXT


def test_answers_are_of_their_models() -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
    for model, answer in zip((HistoryOut, ConvergenceOut, PredictionOut), shown, strict=True):
        model.model_validate(answer)


def test_parameters_of_a_page_are_explained() -> None:
    (route,) = [each for each in history.router.routes if each.path.endswith("/history")]  # type: ignore[attr-defined]
    names = [field.alias for field in route.dependant.query_params]  # type: ignore[attr-defined]
    assert len(names) == 9
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_limits_are_those_of_the_code() -> None:
    limits, files, indexing = computing.Limits(), reading.FILES, reading.INDEXING
    rows = {
        "processes at once": [each.processes for each in (limits, files, indexing)],
        "seconds for one answer": [each.seconds for each in (limits, files, indexing)],
        "memory of each, MB": [each.memory >> 20 for each in (limits, files, indexing)],
    }
    for name, numbers in rows.items():
        assert f"| {name} | {' | '.join(f'{number:,.0f}' for number in numbers)} |" in TEXT
    assert (
        f"Up to {limits.waiting} requests wait for a process, for at most {limits.patience:g} seconds" in TEXT
    )
    assert f"kept, {answers.KEPT >> 20} MB in all" in TEXT
    assert f"up to {pages.IN_MEMORY:,} in memory" in TEXT
    assert f"a row group for each {exporting.ROW_GROUP:,} trials" in TEXT
    assert f"{downloads.MOST} downloads of one user" in TEXT
    assert (limits.idle, downloads.STALLED, files.patience, files.of_user) == (
        60.0,
        60.0,
        60.0,
        1,
    )  # in words
    assert (table_files.LIMIT, downloads.SPACE) == (1 << 30, 1 << 30)


def test_problems_have_these_statuses() -> None:
    for kind, status in re.findall(r"\| `/problems/([\w-]+)` \| (\d+) \|", TEXT):
        assert [code for _, code, name in problems.KINDS if name == kind] == [int(status)]
    assert TEXT.count("| `/problems/") == 5
