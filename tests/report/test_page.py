"""The page: valid, self-contained, safe from hostile names, and quiet in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from strategy_optimizer import Bars, Result, Strategy
from strategy_optimizer.errors import TaskError
from strategy_optimizer.report import find_material, report_data, write_report
from strategy_optimizer.report.page import html_page
from strategy_optimizer.report.page.page import CONTENTS

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-logging=stderr",
    "--dump-dom",
)
VOID = {"meta", "link", "br", "img"}


class Checker(HTMLParser):
    """Collects elements and complains about what is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self.open, f"<{tag}/> outside of a drawing"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.fixture(scope="module")
def page(data: dict[str, Any]) -> str:
    return html_page(data)


@pytest.fixture(scope="module")
def hostile_page(hostile: tuple[Result, Bars, type[Strategy]]) -> str:
    result, bars, strategy = hostile
    material = find_material(result, strategy, bars)
    return html_page(report_data(result, material, windows=False, call="optimize '<script>'"))


def test_it_is_valid_and_in_order(page: str) -> None:
    checker = checked(page)
    ids = [attributes["id"] for _, attributes in checker.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [each for each in ids if each != "report-data"] == [
        "verdict",
        "equity",
        "numbers",
        *list(CONTENTS)[3:],
    ]
    links = [attributes["href"] for tag, attributes in checker.elements if tag == "a"]
    assert {link.removeprefix("#") for link in links if link} == set(CONTENTS)
    assert page.startswith("<!DOCTYPE html>")
    assert len(page) < 2_000_000


def drawings(page: str) -> Iterator[str]:
    yield from re.findall(r"<svg.*?</svg>", page, re.DOTALL)


def test_every_drawing_is_well_formed_and_described(page: str) -> None:
    found = list(drawings(page))
    assert len(found) >= 7
    for svg in found:
        root = ET.fromstring(svg)
        assert root[0].text
        assert root[1].text
        assert "nan" not in re.sub(r"<(title|desc|text)[^>]*>.*?</\1>", "", svg)


def test_it_names_no_address(page: str) -> None:
    assert "://" not in page
    for tag, attributes in checked(page).elements:
        assert "src" not in attributes
        assert not {name for name in attributes if name.startswith("on")}
        assert tag not in ("iframe", "object", "embed", "link", "img")
        assert (attributes.get("href") or "#").startswith("#")


def test_its_policy_allows_its_own_style_and_script_alone(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    parts = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert parts["default-src"] == "'none'"
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert parts[f"{kind}-src"] == f"'sha256-{digest}'"
    assert ' style="' not in page


def test_the_data_are_in_it(page: str, data: dict[str, Any]) -> None:
    (text,) = re.findall(r'<script type="application/json" id="report-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(text) == json.loads(json.dumps(data))


def test_the_verdict_comes_first_with_its_reasons(page: str, result: Result) -> None:
    first = page.split('<section id="equity">')[0]
    assert f"<strong>{result.verdict.decision}</strong>" in first
    assert all(reason.split(",")[0] in first for reason in result.verdict.reasons)
    assert all(f">{name}</th>" in first for name in result.best_parameters)


def test_hostile_names_stay_text(hostile_page: str) -> None:
    checker = checked(hostile_page)
    tags = [tag for tag, _ in checker.elements]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert "b" not in tags
    assert "&lt;img src=http:" in hostile_page
    assert "alert" not in re.findall(r"<script>(.*?)</script>", hostile_page, re.DOTALL)[0]
    for svg in drawings(hostile_page):
        ET.fromstring(svg)


def test_what_was_not_at_hand_is_said(result: Result) -> None:
    page = html_page(report_data(result, "the strategy <b>is</b> gone"))
    checked(page)
    for key in ("equity", "robustness", "walk-forward"):
        section = page.split(f'<section id="{key}">')[1].split("</section>")[0]
        assert "Left out, because it runs backtests and the strategy &lt;b&gt;is&lt;/b&gt; gone." in section


def test_several_objectives_have_a_front(several: Result) -> None:
    page = html_page(report_data(several, "not wanted"))
    checked(page)
    assert "Pareto front" in page
    assert "max drawdown, smaller is better" in page


def test_the_file_is_whole_or_not_there(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "report.html"
    target.write_text("old")
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(TaskError, match="No space left on device"):
        write_report(result, target, walk_forward=False)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "reason"), [("report.pdf", "expected one of .html"), ("no/report.html", "not exist")]
)
def test_a_place_that_cannot_be_written_is_refused(
    result: Result, tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(TaskError, match=reason):
        write_report(result, tmp_path / name)


def test_strategy_and_data_can_be_given(hostile: tuple[Result, Bars, type[Strategy]], tmp_path: Path) -> None:
    result, bars, strategy = hostile
    assert "is not known here by its name" in str(find_material(result))
    alone = write_report(result, tmp_path / "a.html", data=bars, walk_forward=False).read_text(
        encoding="utf-8"
    )
    assert "Left out, because it runs backtests and the strategy" in alone
    both = write_report(result, tmp_path / "b.html", strategy=strategy, data=bars, walk_forward=False)
    assert "times the starting cash" in both.read_text(encoding="utf-8")


# -- in a browser --------------------------------------------------------------------------------------------


def browse(page: str, folder: Path) -> tuple[str, list[str], list[str]]:
    """Return the page as the browser has it, what it logged, and the addresses that it asked for."""
    assert CHROMIUM is not None
    file, log = folder / "page.html", folder / "net.json"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    logged = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return (
        done.stdout,
        logged,
        re.findall(r'"url":"(https?://[^"]*invalid[^"]*)"', log.read_text(encoding="utf-8")),
    )


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium; parsed HTML is checked above")
def test_a_browser_shows_it_without_an_error_or_a_request(
    page: str, hostile_page: str, tmp_path: Path
) -> None:
    both = page.replace("</main>", hostile_page.split("<main>")[1].split("</main>")[0] + "</main>")
    dom, logged, asked = browse(both, tmp_path)
    assert 'class="cursor"' in dom  # its script ran
    assert logged == []
    assert asked == []
    # The same with an image from elsewhere: the policy refuses it, and the browser says so.
    (tmp_path / "other").mkdir()
    _, logged, asked = browse(
        page.replace("<main>", '<main><img src="http://x.invalid/a.png">'), tmp_path / "other"
    )
    assert any("Content Security Policy" in line for line in logged)
    assert asked == []
