"""Numba's cache of machine code: found quickly, and it may save compiling but never stops a run.

Numba compiles a function, puts it to use, and only then saves its machine code. A full disk at that moment, or a
file that a power cut left damaged, is an exception of Numba's in the middle of a backtest that could go on.

Before it looks into its cache, Numba readies its compiler, which takes a quarter of a second: it registers how
hundreds of functions are typed and lowered. Machine code that is found needs none of that, only the run time that
it calls for memory. What is not found is compiled, and to that end Numba readies the compiler by itself.

Beside machine code lie the names of the modules that its functions were written in, which are imported for the globals
that an interpreted function would look for there. Machine code looks for none. One such module of Numba's, where
`np.argsort` and `np.isnan` are, imports `scipy.linalg` to learn whether it could compile matrix products: 0.2 s.

Numba keeps machine code where NUMBA_CACHE_DIR says, beside the source, or in the user's cache. A service whose package
is installed by root, and whose user has no home, can write to none of these, and would compile for a minute in each of
its processes; its code goes to our own folders of cache or data then, or else to a private folder of temporary files.
"""

from __future__ import annotations

import logging
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import entrypoints, environment
from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    UserWideCacheLocator,
)
from numba.core.runtime.nrt import rtsys

from strategy_optimizer.config import cache_folder, data_folder
from strategy_optimizer.errors import StrategyOptimizerError

LOG = logging.getLogger("strategy_optimizer")
FOLDER = "machine-code"
F = TypeVar("F", bound=Callable[..., Any])

NOT_IMPORTED = "numba.np.arraymath"  # for machine code; it registers nothing that machine code calls


def _environment(module: str, constants: Any, name: str) -> Any:
    """Return what a function of a module finds beside its machine code: Numba's, but without importing one module."""
    if module != NOT_IMPORTED or module in sys.modules:
        return environment._rebuild_env(module, constants, name)  # type: ignore[no-untyped-call]
    found = environment.lookup_environment(name)  # type: ignore[no-untyped-call]
    if found is None:
        found = environment.Environment({"__name__": module})
        found.consts[:] = constants
        found.env_name = name
        environment.Environment._memo[name] = found
    return found


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for."""
        if (module, name) == ("numba.core.environment", "_rebuild_env"):
            return _environment
        return super().find_class(module, name)


class _File(IndexDataCacheFile):
    def _load_data(self, name: str) -> Any:
        path: str = self._data_path(name)  # type: ignore[no-untyped-call]
        with Path(path).open("rb") as file:
            return _Reader(file).load()


@lru_cache(1)
def fallback_folder() -> Path | None:
    """Return the folder for machine code that Numba finds no place for; None when there is none for us either."""
    for folder in (cache_folder, data_folder):
        with suppress(OSError, StrategyOptimizerError):  # there is no home, or it cannot be written to
            return _writable(folder() / FOLDER)
    try:
        found = _private_folder()
    except OSError as error:
        LOG.warning("machine code is not kept, each process compiles anew: %s", error)
        return None
    LOG.warning(
        "machine code is kept in %s, since neither the package nor a folder of the user can be written to; "
        "set NUMBA_CACHE_DIR to a folder that stays",
        found,
    )
    return found


def _writable(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()
    return folder


def _private_folder() -> Path:
    """Return a folder of temporary files that nobody else can write to: who could, would have us run their code."""
    if not hasattr(os, "geteuid"):  # such systems have no shared folder of temporary files
        return _writable(Path(tempfile.gettempdir()) / f"strategy-optimizer-{FOLDER}")
    folder = Path(tempfile.gettempdir()) / f"strategy-optimizer-{FOLDER}-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    if not is_private:
        raise PermissionError(f"{folder} is there and is not a folder that only this user can use")
    return _writable(folder)


class _FallbackLocator(UserWideCacheLocator):
    def __init__(self, function: Callable[..., Any], file: str) -> None:
        folder = fallback_folder()
        if folder is None:
            raise OSError("there is no folder for machine code")
        self._py_file = file
        self._lineno = function.__code__.co_firstlineno
        self._cache_path = str(folder / self.get_suitable_cache_subpath(file))  # type: ignore[no-untyped-call]

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Any:
        """Return the locator of a function, None when there is no place for it."""
        with suppress(OSError):
            return super().from_function(function, file)  # type: ignore[no-untyped-call]
        return None


class _Impl(CompileResultCacheImpl):
    _locator_classes = [*CompileResultCacheImpl._locator_classes, _FallbackLocator]


class ForgivingCache(FunctionCache):
    """Finds nothing where it cannot read, keeps nothing where it cannot write, and readies no compiler."""

    _impl_class = _Impl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _File(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code that is kept for a signature, or None."""
        try:
            rtsys.initialize(target_context)
            entrypoints.init_all()  # type: ignore[no-untyped-call]  # extensions add symbols that it may call
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except OSError:
            return None
        except Exception:  # whatever unpickling makes of damaged bytes
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]  # the next save writes everything anew
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code of a signature if the disk lets us."""
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def keep(function: Any) -> None:
    """Let a compiled function find and keep its machine code, where there is a folder that can be written to."""
    with suppress(OSError, RuntimeError):  # RuntimeError: there is none
        function._cache = ForgivingCache(function.py_func)


def compiled(**options: Any) -> Callable[[F], F]:
    """Return the decorator `njit` with these options, whose machine code is kept for the next process."""

    def decorate(function: F) -> F:
        dispatcher = njit(**options)(function)
        keep(dispatcher)
        return dispatcher  # type: ignore[no-any-return]

    return decorate
