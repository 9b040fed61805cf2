"""The command `cache`: which finished trials are kept for later searches, and how to forget them."""

from __future__ import annotations

import json
from dataclasses import asdict

from strategy_optimizer.cli.arguments import UsageError
from strategy_optimizer.cli.exits import DONE, WORK_FAILED
from strategy_optimizer.cli.terminal import console, note
from strategy_optimizer.market.report import counted
from strategy_optimizer.number_texts import duration_text
from strategy_optimizer.tasks.trial_cache import CacheStatus, TrialCache

MEGABYTE = 2**20


def run_cache(clear: bool, as_json: bool) -> int:
    """Show the trial cache, or empty it."""
    if clear and as_json:
        raise UsageError("--clear prints no JSON; give one of --clear and --json")
    with TrialCache(say=note) as cache:
        status = cache.status()
        if clear:
            return _clear(cache, status)
        if as_json:
            document = {"path": str(cache.path), **asdict(status), "problem": cache.problem}
            print(json.dumps(document, indent=2))  # noqa: T201
        else:
            console().print(_sentence(cache, status), soft_wrap=True)
    return DONE


def _clear(cache: TrialCache, status: CacheStatus) -> int:
    if not status.trials:
        note("there is nothing to remove")
        return DONE if cache.problem is None else WORK_FAILED
    if not cache.clear():
        return WORK_FAILED  # the cache has said why
    note(f"removed {counted(status.trials, 'trial')} of the trial cache {cache.path}")
    return DONE


def _sentence(cache: TrialCache, status: CacheStatus) -> str:
    if not status.trials:
        return f"The trial cache {cache.path} has no trial yet."
    return (
        f"The trial cache {cache.path} has {counted(status.trials, 'trial')} that took "
        f"{duration_text(status.seconds)} to compute, in {status.size / MEGABYTE:.1f} of at most "
        f"{status.max_bytes / MEGABYTE:.0f} MB."
    )
