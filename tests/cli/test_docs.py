"""docs/command-line.md says what the program does: every command, option and variable, and no others."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from strategy_optimizer.cli import exits
from strategy_optimizer.cli.app import app

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
PROGRAM = typer.main.get_command(app)
DOCUMENTS = ("command-line.md", "first-steps.md", "walk-forward.md", "analysis.md", "report.md")
COMMANDS = PROGRAM.commands  # type: ignore[attr-defined]


def section(name: str) -> str:
    return TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]


def options(command: str) -> set[str]:
    found = {
        option
        for parameter in COMMANDS[command].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    return {option for option in found if option.startswith("-")} - {"-h", "--help"}


def test_every_command_has_a_section() -> None:
    sections = re.findall(r"^## ([\w-]+)$", TEXT, re.MULTILINE)
    assert sections == [*COMMANDS, "Environment"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    assert [option for option in sorted(options(command)) if f"`{option}`" not in section(command)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_made_up(command: str) -> None:
    rows = [line.split("|")[1] for line in section(command).splitlines() if line.startswith("| `-")]
    assert set(re.findall(r"`(--?[a-z-]+)`", " ".join(rows))) <= options(command)
    anywhere = {option for name in COMMANDS for option in options(name)}
    assert set(re.findall(r"`(--[a-z-]+)", section(command))) <= anywhere


@pytest.mark.parametrize("parameter", [p for c in COMMANDS.values() for p in c.params], ids=lambda p: p.name)
def test_every_option_has_a_help_text(parameter) -> None:
    assert parameter.help


def test_defaults_are_those_of_the_program() -> None:
    defaults = {max(p.opts, key=len): p.default for p in COMMANDS["optimize"].params}
    rows = [line.split("|") for line in section("optimize").splitlines() if line.startswith("| `-")]
    shown = {re.findall(r"`(--[a-z-]+)`", row[1])[0]: row[2].strip().strip("`") for row in rows}
    for option in ("--holdout", "--seed", "--commission", "--slippage", "--optimizer", "--fill"):
        assert shown[option] == str(defaults[option])


def test_exit_codes() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)} == codes


def test_every_variable_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    variables = set(re.findall(r"STRATEGY_OPTIMIZER_[A-Z_]+", source))
    assert variables <= set(re.findall(r"`(\w+)`", section("Environment")))


def commands_in(text: str) -> list[list[str]]:
    """Return the calls in the code blocks of a document."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [
        shlex.split(line.split("   ")[0].split(">")[0] if "'" not in line else line)
        for line in lines
        if line.startswith("strategy-optimizer ")
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_call_in_the_documents_can_be_parsed(document: str) -> None:
    calls = commands_in((ROOT / "docs" / document).read_text(encoding="utf-8"))
    assert len(calls) >= 2
    for _, command, *arguments in calls:
        if command in COMMANDS:
            COMMANDS[command].make_context(command, list(arguments), resilient_parsing=False)


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        text = (ROOT / "docs" / document).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([\w./-]+)\)", text):
            assert (ROOT / "docs" / link).exists(), link


def test_the_strategy_in_the_first_steps_is_the_example() -> None:
    text = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
    shown = text.split("```python\n")[1].split("```")[0]
    assert shown in (ROOT / "examples" / "my_strategy.py").read_text(encoding="utf-8")
