"""A strategy's code as files: the file itself, and the modules beside it that it imports, by their text alone.

Nothing is run. Imports are read from the syntax tree, wherever they stand; one that is made up at run time is not seen,
and then fails, since a version has no other files.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from strategy_optimizer.errors import StrategyError

MAX_FILE = 2**20
MAX_FILES = 200
_DIGEST_VERSION = b"strategy-files-1"


@dataclass(frozen=True)
class CodeFiles:
    """The files of one version, by their paths within the folder; `main` has the strategy."""

    main: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of all paths and contents.

        >>> CodeFiles("a.py", {"a.py": b"x = 1"}).digest[:12]
        '75f8e014f60e'
        """
        sha = hashlib.sha256(_DIGEST_VERSION)
        for part in (self.main.encode(), *self._parts()):
            sha.update(f"{len(part)}:".encode() + part)
        return sha.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        for path, content in sorted(self.files.items()):
            yield path.encode()
            yield content


def collect(folder: Path, main: str) -> CodeFiles:
    """Return a file of a folder with all modules of the folder that it imports, directly or not.

    Raises
    ------
    StrategyError
        When a file cannot be read or is no Python, or there are too many.
    """
    files: dict[str, bytes] = {}
    todo = [main]
    while todo:
        path = todo.pop()
        if path in files:
            continue
        if len(files) == MAX_FILES:
            raise StrategyError(f"{main} imports more than {MAX_FILES} files of its folder")
        files[path] = read_file(folder / path, path)
        todo += imported_files(folder, path, files[path])
    return CodeFiles(main, files)


def read_file(file: Path, name: str) -> bytes:
    """Return the content of a file that is no larger than code is."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise StrategyError(f"{name} cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_FILE:
        raise StrategyError(f"{name} has more than {MAX_FILE:,} bytes; a strategy is no larger")
    return content


def imported_files(folder: Path, path: str, content: bytes) -> list[str]:
    """Return the files of the folder that a file imports.

    Raises
    ------
    StrategyError
        When it is no Python.
    """
    try:
        tree = ast.parse(content, path)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise StrategyError(f"{path}{line}: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError) as error:  # null bytes; nesting without end
        raise StrategyError(f"{path} cannot be read as Python: {error or type(error).__name__}") from error
    package = PurePosixPath(path).parent.parts
    found: dict[str, None] = {}
    for name in _imported_names(tree, package):
        found.update(dict.fromkeys(_files_of(folder, name)))
    return list(found)


def _imported_names(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the dotted names that may be modules; the last part of some is only a name in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield base
            for alias in node.names:
                yield (*base, alias.name)


def _files_of(folder: Path, name: tuple[str, ...]) -> Iterator[str]:
    """Yield the files that importing a dotted name runs: the packages on the way, and the module."""
    for length in range(1, len(name) + 1):
        place = PurePosixPath(*name[:length])
        if (folder / place / "__init__.py").is_file():
            yield f"{place}/__init__.py"
        elif (folder / f"{place}.py").is_file():
            yield f"{place}.py"
            return


def collect_all(request: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each file its version's digest and files, or its problem; called in a confined process.

    The parser of Python is not made for texts that somebody wrote to break it.
    """
    folder = Path(request["folder"])
    found: dict[str, dict[str, Any]] = {}
    for main in request["files"]:
        try:
            code = collect(folder, main)
        except StrategyError as error:
            found[main] = {"problem": str(error)}
        else:
            found[main] = {"digest": code.digest, "files": sorted(code.files)}
    return found
