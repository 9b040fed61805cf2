"""Watches a folder of strategies: a changed file becomes a new version by its content, an unchanged one does not.

A scan that finds nothing new looks at the dates and sizes of the files alone. What has changed is read, copied, and
described in a confined process; what cannot be used is told in the store, where the last good version stays.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from strategy_optimizer.catalogue.code_files import CodeFiles, read_file
from strategy_optimizer.catalogue.confinement import Confinement
from strategy_optimizer.catalogue.descriptions import (
    LIMITS,
    Description,
    PassingProblem,
    collect_files,
    describe_file,
)
from strategy_optimizer.catalogue.installed import taken_names, tell_installed
from strategy_optimizer.catalogue.texts import clean
from strategy_optimizer.catalogue.versions import copies_folder, has_version, keep_copy
from strategy_optimizer.errors import StrategyError
from strategy_optimizer.storage import NewStrategyVersion, Store

Stat: TypeAlias = tuple[int, int, int]
"""When a file was changed (ns), how large it is, which file it is."""
SETTLED = 2.0
"""Seconds for which a file was left alone before it is read: it may be being written."""
AGAIN = 60.0
"""Seconds until an engine is asked again that did not answer."""
MOST_FILES = 5000
_GOOD_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_log = logging.getLogger(__name__)


@dataclass
class _File:
    """What the store was told of a file."""

    digest: str = ""
    names: list[str] = field(default_factory=list)
    problem: str = ""


class StrategyFolder:
    """A folder of strategies, and what is built in or installed.

    Parameters
    ----------
    store : Store
    data_dir : Path
        Where copies of versions are kept.
    folder : Path, optional
        The ``*.py`` in it are strategies, but for those whose name begins with an underscore. Its other modules and
        packages are what they import.
    limits : Confinement
        What describing a file may use.
    clock : callable
        Gives the seconds since 1970, for tests.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place, Store(Path(place) / "store.db") as store:
    ...     store.upgrade()
    ...     print(StrategyFolder(store, Path(place)).scan())
    ...     print(store.strategies.get("momentum").source)
    ['bollinger', 'donchian', 'ma_cross', 'momentum', 'rotation', 'rsi']
    built_in
    """

    def __init__(
        self,
        store: Store,
        data_dir: Path,
        folder: Path | None = None,
        *,
        limits: Confinement = LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._data_dir = data_dir
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._stats: dict[str, Stat] | None = None
        self._waits = False
        self._told = _read_told(self._told_file)
        self._tried: dict[str, str] = {}
        self._without: dict[str, str] = {}
        self._asked_again: dict[str, float] = {}
        self._knows_installed = False
        self._trouble = ""

    @property
    def _told_file(self) -> Path:
        return told_file(self._data_dir)

    def scan(self) -> list[str]:
        """Bring the store up to date and return the names of the strategies that changed.

        Call it every few seconds. A folder that cannot be read is told once in the log, and looked for again.
        """
        changed: list[str] = []
        if not self._knows_installed:
            changed += tell_installed(self._store, self._limits)
            self._knows_installed = True
        if self._folder is not None:
            changed += self._scan_folder(self._folder)
        return changed

    def _scan_folder(self, folder: Path) -> list[str]:
        try:
            stats = _look(folder)
        except OSError as error:
            self._note_trouble(f"the folder of strategies {folder} cannot be read: {error.strerror or error}")
            return []
        self._trouble = ""
        if not self._asks_again() and stats == self._stats and not self._waits:
            return []
        if self._stats is None:
            self._check_what_was_told()
        fresh = self._fresh(stats)
        changed = self._take_all(folder, stats, fresh)
        self._stats, self._waits = stats, bool(fresh)
        return changed

    def _asks_again(self) -> bool:
        """Forget that engines were asked which did not answer, when that is long enough ago."""
        due = [main for main, at in self._asked_again.items() if self._clock() >= at]
        for main in due:
            del self._asked_again[main]
            self._tried.pop(main, None)
        return bool(due)

    def _note_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.warning(trouble)
        self._trouble = trouble

    def _check_what_was_told(self) -> None:
        """Forget what an earlier process told another store."""
        for known in self._told.values():
            if not all(has_version(self._store, name, known.digest) for name in known.names):
                known.digest = ""

    def _fresh(self, stats: Mapping[str, Stat]) -> set[str]:
        """Return the files that may change once more without another date, or that are being written."""
        now, before = self._clock(), self._stats or {}
        return {
            path
            for path, stat in stats.items()
            if abs(now - stat[0] / 1e9) < SETTLED or (now < stat[0] / 1e9 and stat != before.get(path))
        }

    # -- what changed ----------------------------------------------------------------------------------------

    def _take_all(self, folder: Path, stats: Mapping[str, Stat], fresh: set[str]) -> list[str]:
        mains = [path for path in stats if "/" not in path and not path.startswith("_")]
        changed = [name for gone in sorted(self._told.keys() - set(mains)) for name in self._drop(gone)]
        found = collect_files(folder, mains, self._limits) if mains else {}
        imported = {path for main, said in found.items() for path in said.get("files", ()) if path != main}
        for main, said in sorted(found.items()):
            if not fresh & {main, *said.get("files", stats)}:  # else at the next scan
                changed += self._take(folder, main, said, is_helper=main in imported)
        _write_told(self._told_file, self._told)
        return changed

    def _take(self, folder: Path, main: str, said: Mapping[str, Any], *, is_helper: bool) -> list[str]:
        if "problem" in said:
            self._tried.pop(main, None)
            return self._tell_problem(main, clean(str(said["problem"])))
        try:
            code = CodeFiles(main, {path: read_file(folder / path, path) for path in said["files"]})
            if code.digest != said["digest"]:  # it was written meanwhile
                self._waits = True
                return []
            place = keep_copy(code, self._data_dir)
        except StrategyError as error:
            return self._tell_problem(main, clean(str(error)))
        known = self._told.get(main)
        if self._without.get(main) == code.digest:
            return self._tell_nothing(main, is_helper)
        if (known is not None and known.digest == code.digest) or self._tried.get(main) == code.digest:
            return []
        self._tried[main] = code.digest
        strategies = describe_file(place / main, main, code.digest, self._limits)
        if not strategies:
            self._without[main] = code.digest
            return self._tell_nothing(main, is_helper)
        if not isinstance(strategies, str) and any(
            isinstance(s, PassingProblem) for s in strategies.values()
        ):
            self._asked_again[main] = self._clock() + AGAIN
        return self._tell(main, code.digest, strategies)

    def _tell_nothing(self, main: str, is_helper: bool) -> list[str]:
        """Tell of a file without a strategy: others may import it, else it is a mistake."""
        return (
            self._drop(main)
            if is_helper
            else self._tell_problem(main, f"{main} defines no strategy and no engine")
        )

    # -- telling the store -----------------------------------------------------------------------------------

    def _tell(self, main: str, digest: str, strategies: dict[str, Description] | str) -> list[str]:
        if isinstance(strategies, str):
            return self._tell_problem(main, strategies)
        stem = main.removesuffix(".py")
        names = {cls: stem if len(strategies) == 1 else f"{stem}:{cls}" for cls in strategies}
        if problem := _name_problem(stem, list(names.values())):
            return self._tell_problem(main, problem)
        for cls, name in names.items():
            self._save(name, main, strategies[cls])
        dropped = [name for name in self._names_of(main) if name not in names.values()]
        for name in dropped:
            self._retire(name, main, f"{main} has no strategy of this name any more")
        good = all(isinstance(said, NewStrategyVersion) for said in strategies.values())
        self._told[main] = _File(digest if good else "", list(names.values()))
        return [*names.values(), *dropped]

    def _save(self, name: str, main: str, said: Description) -> None:
        if isinstance(said, NewStrategyVersion):
            self._store.strategies.save_version(name, "file", clean(main, 200), said)
        else:
            self._store.strategies.save_problem(name, "file", clean(main, 200), said)

    def _tell_problem(self, main: str, problem: str) -> list[str]:
        """Store a problem of the whole file with each of its strategies."""
        if main in self._told and self._told[main].problem == problem:
            return []
        stem = main.removesuffix(".py")
        taken = _name_problem(stem, [stem]) is not None
        names = self._names_of(main) or [clean(main if taken else stem, 200)]
        for name in names:
            self._store.strategies.save_problem(name, "file", clean(main, 200), problem)
        self._told[main] = _File("", names, problem)
        return names

    def _drop(self, main: str) -> list[str]:
        """Tell that a file, or what it had, is gone."""
        names = self._names_of(main)
        for name in names:
            self._retire(name, main, f"the file {main} is gone from the folder of strategies")
        self._told.pop(main, None)
        self._tried.pop(main, None)
        self._asked_again.pop(main, None)
        return names

    def _retire(self, name: str, main: str, reason: str) -> None:
        if self._store.strategies.versions(name, limit=1):
            self._store.strategies.retire(name, clean(reason))
        else:
            self._store.strategies.remove(name)

    def _names_of(self, main: str) -> list[str]:
        known = self._told.get(main)
        return [] if known is None else known.names


def _name_problem(stem: str, names: list[str]) -> str | None:
    """Say why a file may not be called so."""
    whose = taken_names().get(stem)
    if whose is not None:
        return f"'{stem}' is the name {whose}; rename {stem}.py"
    if not _GOOD_STEM.fullmatch(stem):
        return f"the file name {stem[:100]!r} is no name for a strategy; use letters, digits, _ and -"
    too_long = [name for name in names if len(name) > 200]
    return f"the name {too_long[0][:50]!r}... has more than 200 characters" if too_long else None


def _look(folder: Path) -> dict[str, Stat]:
    """Return the Python files of a folder and of the packages in it."""
    found: dict[str, Stat] = {}
    for path, stat in _python_files(folder, ""):
        found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if len(found) > MOST_FILES:
            raise OSError(f"it has more than {MOST_FILES:,} Python files")
    return found


def _python_files(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            try:
                if entry.name.endswith(".py") and entry.is_file():
                    yield prefix + entry.name, entry.stat()
                elif entry.name.isidentifier() and entry.is_dir(follow_symlinks=False):
                    yield from _python_files(folder / entry.name, f"{prefix}{entry.name}/")
            except FileNotFoundError:  # it was removed just now
                continue


def told_file(data_dir: Path) -> Path:
    """Return the file that is there since a folder of strategies was looked at for the first time."""
    return copies_folder(data_dir) / "told.json"


def _read_told(file: Path) -> dict[str, _File]:
    try:
        return {str(main): _File(**known) for main, known in json.loads(file.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _log.warning("%s cannot be read and is made anew: %s", file, error)
        return {}


def _write_told(file: Path, told: Mapping[str, _File]) -> None:
    text = json.dumps({main: vars(known) for main, known in told.items()}, indent=1)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".told-", dir=file.parent)
    with os.fdopen(handle, "w") as opened:
        opened.write(text)
    os.replace(partial, file)  # noqa: PTH105
