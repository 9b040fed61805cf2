"""Tells the store of the strategies that are built in or that installed packages offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strategy_optimizer.catalogue.confinement import Confinement
from strategy_optimizer.catalogue.descriptions import LIMITS, Description, describe_named, describe_ours
from strategy_optimizer.catalogue.texts import clean
from strategy_optimizer.catalogue.versions import built_in_digest, offered, package_digest
from strategy_optimizer.storage import NewStrategyVersion, Store
from strategy_optimizer.strategies.registry import ALIASES, BUILT_IN


@dataclass(frozen=True)
class _Installed:
    """Where a strategy comes from, and its version."""

    source: str
    place: str
    digest: str


def taken_names() -> dict[str, str]:
    """Return the names that no file may have, and whose they are."""
    packages = {name: f"of the installed package {_package(name)}" for name in offered()}
    return packages | dict.fromkeys((*BUILT_IN, *ALIASES), "of a built-in strategy")


def tell_installed(store: Store, limits: Confinement = LIMITS) -> list[str]:
    """Store the versions that the store does not have as the newest; returns the names of these strategies."""
    packages = {
        name: _Installed("package", clean(_package(name), 200), package_digest(point))
        for name, point in offered().items()
        if name not in (*BUILT_IN, *ALIASES)
    }
    ours = _new(store, _built_in())
    _tell_built_in(store, describe_named(list(ours), _digests(ours), limits) if ours else {})
    theirs = _new(store, packages)
    for name, found in theirs.items():  # each by itself: a package may not return
        _tell(store, {name: found}, limits)
    return [*ours, *theirs]


def tell_built_in(store: Store) -> None:
    """Store what the built-in strategies say of themselves, asked in this process: none of it is code of users."""
    new = _new(store, _built_in())
    _tell_built_in(store, describe_ours(list(new), _digests(new)) if new else {})


def _built_in() -> dict[str, _Installed]:
    return dict.fromkeys(BUILT_IN, _Installed("built_in", "", built_in_digest()))


def _digests(found: Mapping[str, _Installed]) -> dict[str, str]:
    return {name: each.digest for name, each in found.items()}


def _tell_built_in(store: Store, said: Mapping[str, Description]) -> None:
    """Store descriptions at once: who sees one of them sees all."""
    store.strategies.save_versions(
        {name: each for name, each in said.items() if isinstance(each, NewStrategyVersion)}, "built_in", ""
    )
    for name, each in said.items():
        if isinstance(each, str):
            store.strategies.save_problem(name, "built_in", "", each)


def _new(store: Store, known: dict[str, _Installed]) -> dict[str, _Installed]:
    records = {record.name: record for record in store.strategies.all()}
    return {
        name: found
        for name, found in sorted(known.items())
        if name not in records or records[name].newest != found.digest or records[name].problem
    }


def _tell(store: Store, new: dict[str, _Installed], limits: Confinement) -> None:
    for name, said in describe_named(list(new), _digests(new), limits).items():
        found = new[name]
        if isinstance(said, NewStrategyVersion):
            store.strategies.save_version(name, found.source, found.place, said)
        else:
            store.strategies.save_problem(name, found.source, found.place, said)


def _package(name: str) -> str:
    point = offered()[name]
    return point.dist.name if point.dist else point.value
