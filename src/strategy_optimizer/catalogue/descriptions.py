"""Has strategies described in a confined process, and believes nothing that comes back before it is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from strategy_optimizer.catalogue.confinement import Confinement, run_confined
from strategy_optimizer.catalogue.texts import clean
from strategy_optimizer.errors import SpaceError
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.storage import NewStrategyVersion

LIMITS = Confinement(seconds=60.0, memory=2 * 2**30, processes=16)
LARGEST_SPACE = 2**18
_DETAILS = ("label", "style", "multi_symbol", "defaults")
_MODULE = "strategy_optimizer.catalogue"


class PassingProblem(str):
    """Why something cannot be used now, which may be otherwise in a minute though nobody changes the file."""


Description: TypeAlias = NewStrategyVersion | str
"""What is known of a strategy, or why it cannot be used."""


def describe_file(file: Path, name: str, digest: str, limits: Confinement) -> dict[str, Description] | str:
    """Return the strategies of a file by class, or why there is none."""
    found = _ask("describing:describe_file", {"file": str(file.resolve()), "name": name}, limits)
    if isinstance(found, str):
        return found
    strategies = found.get("strategies")
    if isinstance(strategies, dict):
        return {clean(cls): _checked(said, digest) for cls, said in strategies.items()}
    return clean(str(found.get("problem")))


def describe_named(
    names: Sequence[str], digests: Mapping[str, str], limits: Confinement
) -> dict[str, Description]:
    """Return what is known of strategies that are built in or installed."""
    found = _ask("describing:describe_named", {"names": list(names)}, limits)
    if isinstance(found, str):
        return dict.fromkeys(names, found)
    return {name: _checked(found.get(name), digests[name]) for name in names}


def describe_ours(names: Sequence[str], digests: Mapping[str, str]) -> dict[str, Description]:
    """Return the same for strategies that are built in, whose code this process may run."""
    from strategy_optimizer.catalogue import describing  # loads the compiler

    found = describing.describe_named({"names": names})
    return {name: _checked(found.get(name), digests[name]) for name in names}


def collect_files(folder: Path, files: Sequence[str], limits: Confinement) -> dict[str, dict[str, Any]]:
    """Return each file's digest and the files that belong to it, or its problem."""
    found = _ask("code_files:collect_all", {"folder": str(folder.resolve()), "files": list(files)}, limits)
    if isinstance(found, str):
        if len(files) == 1:
            return {files[0]: {"problem": found}}
        # One of them breaks the parser: find out which.
        return {file: collect_files(folder, [file], limits)[file] for file in files}
    return found


def _ask(target: str, request: Mapping[str, Any], limits: Confinement) -> dict[str, Any] | str:
    outcome = run_confined(f"{_MODULE}.{target}", request, limits)
    if outcome.failure == "raised":
        return clean(f"it cannot be described: {outcome.message}")
    if outcome.failure is not None:
        said = f"; it said: {' '.join(outcome.details.split())[-300:]}" if outcome.details.strip() else ""
        return clean(f"it cannot be described: its process {outcome.message}{said}")
    return outcome.value if isinstance(outcome.value, dict) else "it cannot be described"


def _checked(said: Any, digest: str) -> Description:
    if not isinstance(said, dict) or "problem" in said:
        problem = clean(str(said["problem"] if isinstance(said, dict) else "it was not described"))
        return PassingProblem(problem) if isinstance(said, dict) and said.get("may_pass") is True else problem
    try:
        space = ParameterSpace.from_json(said["space"]).to_json()
        details = {name: said["details"][name] for name in _DETAILS}
        size = len(json.dumps([space, details], allow_nan=False))
    except (SpaceError, KeyError, TypeError, ValueError) as error:
        return clean(f"its parameters cannot be used: {error}")
    if size > LARGEST_SPACE:
        return f"its parameters take {size:,} bytes as JSON, more than {LARGEST_SPACE:,}"
    return NewStrategyVersion(digest, clean(str(said["description"])), space, details)
