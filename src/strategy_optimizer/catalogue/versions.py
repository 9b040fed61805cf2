"""Versions of strategies by content: where their copies lie, and how a worker's child gets what is in one.

A built-in strategy has the digest of this release's strategies, one of an installed package that of the package's
version, and one of the folder that of its files, see `code_files`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import strategy_optimizer.strategies as built_in
from strategy_optimizer.catalogue.code_files import CodeFiles, read_file
from strategy_optimizer.catalogue.describing import to_optimise
from strategy_optimizer.catalogue.texts import clean
from strategy_optimizer.engines.registry import OfferedEngine
from strategy_optimizer.errors import NotStoredError, StrategyError, nearest_name
from strategy_optimizer.storage import Store
from strategy_optimizer.strategies.registry import (
    ALIASES,
    BUILT_IN,
    ENTRY_POINT_GROUP,
    StrategyClass,
    get_strategy,
)
from strategy_optimizer.strategies.strategy_file import import_file
from strategy_optimizer.version import __version__

MANIFEST = "version.json"


# -- digests --------------------------------------------------------------------------------------------------


@cache
def built_in_digest() -> str:
    """Return the version of the built-in strategies: this release, and the text of their modules."""
    sha = hashlib.sha256(f"built in {__version__}".encode())
    for path in sorted(Path(built_in.__path__[0]).glob("*.py")):
        sha.update(path.name.encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()


def package_digest(point: EntryPoint) -> str:
    """Return the version of a strategy that an installed package offers."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
    return hashlib.sha256(f"package {package} {point.name} {point.value}".encode()).hexdigest()


def offered() -> dict[str, EntryPoint]:
    """Return what installed packages offer, by name."""
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def canonical_name(name: str) -> str:
    """Return the name under which a strategy is kept.

    >>> canonical_name("momentum_strategy")
    'momentum'
    """
    return ALIASES.get(name, clean(name, 200))


def pin_version(store: Store, name: str) -> tuple[str, str]:
    """Return the name and the newest version of a strategy, for a task that is being made.

    Raises
    ------
    NotStoredError
        When no worker knows a strategy of this name.
    StrategyError
        When it has no version that can be used.
    """
    name = canonical_name(name)
    if name in BUILT_IN:  # a worker may not have told of it yet
        return name, built_in_digest()
    found = store.strategies.find(name)
    if found is None:
        known = sorted({*BUILT_IN, *ALIASES, *(record.name for record in store.strategies.all())})
        raise NotStoredError(
            f"there is no strategy {name!r}{nearest_name(name, known)} (GET /api/v1/strategies lists them)"
        )
    if found.newest is None:
        raise StrategyError(f"the strategy '{name}' cannot be used: {found.problem}")
    return name, found.newest


# -- copies ---------------------------------------------------------------------------------------------------


def copies_folder(data_dir: Path) -> Path:
    """Return where copies of versions lie."""
    return data_dir / "strategies"


def keep_copy(code: CodeFiles, data_dir: Path) -> Path:
    """Keep a copy of a version; several workers may do so at once."""
    folder = copies_folder(data_dir)
    place = folder / code.digest
    if _is_whole(place):
        return place
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        for path, content in code.files.items():
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        manifest = {"main": code.main, "files": sorted(code.files)}
        (partial / MANIFEST).write_text(json.dumps(manifest))
        if place.exists():  # damaged
            os.replace(place, partial / ".damaged")  # noqa: PTH105
        os.replace(partial, place)  # noqa: PTH105
    except OSError as error:
        if not _is_whole(place):  # else another worker was quicker
            raise StrategyError(f"the version cannot be kept in {place}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(place / ".damaged", ignore_errors=True)
    return place


def read_copy(place: Path) -> CodeFiles:
    """Return the files of a copy.

    Raises
    ------
    StrategyError
        When it is damaged.
    """
    try:
        manifest = json.loads((place / MANIFEST).read_text())
        main, names = str(manifest["main"]), list(map(str, manifest["files"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StrategyError(f"the copy {place} is damaged: {error}") from error
    return CodeFiles(main, {name: read_file(place / name, name) for name in names})


def _is_whole(place: Path) -> bool:
    try:
        return read_copy(place).digest == place.name
    except StrategyError:
        return False


# -- classes --------------------------------------------------------------------------------------------------


def load_version(name: str, digest: str | None, data_dir: Path) -> StrategyClass | OfferedEngine:
    """Return the class of one version of a strategy, or the engine. Runs its code: call it in a worker's child.

    Parameters
    ----------
    name : str
        As a task names it.
    digest : str or None
        As the task pinned it; None for a built-in strategy means this release's.
    data_dir : Path
        Where the worker keeps its copies.

    Raises
    ------
    StrategyError
        When this worker does not have the version, or it cannot be loaded.
    """
    name = canonical_name(name)
    if name in BUILT_IN:
        return _same(name, digest, digest is None or digest == built_in_digest(), f"release {__version__}")
    place = copies_folder(data_dir) / str(digest)
    if digest is not None and _is_digest(digest) and place.is_dir():
        return _load_copy(name, place)
    point = offered().get(name)
    if point is not None and digest is not None:
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        return _same(name, digest, digest == package_digest(point), f"the package {package}")
    raise _lacking(name, digest, "its folder of strategies never had it")


def _same(name: str, digest: str | None, is_same: bool, found: str) -> StrategyClass:
    if not is_same:
        raise _lacking(name, digest, f"it has that of {found}")
    return get_strategy(name)


def _lacking(name: str, digest: str | None, found: str) -> StrategyError:
    return StrategyError(
        f"this worker does not have the version {str(digest)[:12]} of the strategy '{name}' ({found}); give all "
        "workers the same strategies and releases, or run the task again with the newest version"
    )


def _load_copy(name: str, place: Path) -> StrategyClass | OfferedEngine:
    code = read_copy(place)
    if code.digest != place.name:
        raise StrategyError(
            f"the copy {place} of the strategy '{name}' was changed; remove it, and touch {code.main} in the folder "
            "of strategies, for it to be made again"
        )
    _forget_other_versions(place)
    found = to_optimise(import_file(place / code.main))
    wanted = name.partition(":")[2] or (next(iter(found)) if len(found) == 1 else "")
    if wanted not in found:
        raise StrategyError(f"{code.main} of the version {place.name[:12]} has no strategy '{name}'")
    return found[wanted]


def _forget_other_versions(place: Path) -> None:
    """Let modules of other versions go that this process has imported: they have the same names."""
    others = [folder for folder in sys.path if Path(folder).parent == place.parent and Path(folder) != place]
    for folder in others:
        sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(letter in "0123456789abcdef" for letter in text)


def has_version(store: Store, name: str, digest: str) -> bool:
    """Return whether the store knows a version of a strategy."""
    try:
        store.strategies.version(name, digest)
    except NotStoredError:
        return False
    return True
