"""Loads kernels whose machine code is cached between processes, keyed by the content of all they are made from.

Numba does not cache a closure over a compiled function, and its cache looks at the time stamp of one file only:
an edit in a function that is called from another file goes unseen. So a kernel is a file of its own, named by
the digest of the kernel's text, the strategy's function and every function and constant that can be reached from
it, and the versions of the compiler. Changed source means another file, and old machine code is never found.

Where nothing can be written (a full disk, a read-only home) each process compiles in memory and nothing is kept.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest.code_digest import function_digest
from strategy_optimizer.config import cache_folder
from strategy_optimizer.errors import StrategyError

KERNELS = Path(__file__).with_name("kernels")
STRATEGY_RUNNER = KERNELS / "strategy_runner.py"
_WIDE_VECTORS = "--vectorizer-maximize-bandwidth"


_loading = threading.Lock()


def load_simulators() -> types.ModuleType:
    """Return the package of the simulators, loaded from its copy in the cache folder if there can be one."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in sorted(KERNELS.glob("*.py"))}
    name = f"strategy_optimizer_kernels_{_key(*sources, *sources.values())}"
    with _loading:  # no thread may see a module that is half made
        if name not in sys.modules:
            folder = cache_folder() / "kernels" / name
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                for file_name, source in sources.items():
                    _write_once(folder / file_name, source)
                _keep_machine_code(_import_file(folder / "__init__.py", name))
            except OSError:
                _import_file(KERNELS / "__init__.py", name)
        return sys.modules[name]


def load_strategy_runner(
    functions: Mapping[str, Callable[..., Any]], generated: str, constants: Mapping[str, Any]
) -> types.ModuleType:
    """Return the module that runs one strategy: a further module of the package of the simulators.

    Parameters
    ----------
    functions
        Plain Python functions to compile, by the name that the template calls them.
    generated
        Source text to add to the template.
    constants
        Values of the template's constants, such as ``MULTI_SYMBOL``.
    """
    package = load_simulators()
    assignments = "".join(f"{name} = {value!r}\n" for name, value in constants.items())
    source = "\n\n".join([STRATEGY_RUNNER.read_text(encoding="utf-8"), generated, assignments])
    digests = [f"{name}={function_digest(function)}" for name, function in functions.items()]
    stem = f"strategy_{_key(source, _WIDE_VECTORS, *digests)}"
    name = f"{package.__name__}.{stem}"
    with _loading:
        if name not in sys.modules:
            module = _import_runner(package, stem, source)
            for slot, function in functions.items():
                setattr(module, slot, _jit(function))
        return sys.modules[name]


@contextmanager
def wide_vectors() -> Iterator[None]:
    """Let the compiler use as many lanes as fit the narrowest type of a loop, while it compiles inside.

    A strategy compares doubles and writes bytes. By default LLVM takes the four lanes of the doubles and packs the
    bytes of each four; with this it takes thirty-two and packs them together, in three fifths of the time.
    """
    import llvmlite.binding as llvm  # comes with Numba: loaded with the first kernel

    llvm.set_option("strategy-optimizer", f"{_WIDE_VECTORS}=true")
    try:
        yield
    finally:
        llvm.set_option("strategy-optimizer", f"{_WIDE_VECTORS}=false")


def _key(*parts: str) -> str:
    """Return the digest of texts and of the versions of the compiler."""
    return hashlib.sha256("\0".join([*parts, *_versions()]).encode()).hexdigest()[:32]


def _jit(function: Callable[..., Any]) -> Any:
    import numba  # costs 0.4 s: loaded with the first kernel

    return numba.njit(getattr(function, "py_func", function), error_model="numpy")


def _versions() -> list[str]:
    import importlib.metadata

    return [sys.version, *(importlib.metadata.version(p) for p in ("numba", "llvmlite", "numpy"))]


def _import_runner(package: types.ModuleType, stem: str, source: str) -> types.ModuleType:
    """Return the module made from `source`, kept beside the simulators where these are kept."""
    name, folder = f"{package.__name__}.{stem}", Path(package.__path__[0])
    if folder == KERNELS:
        return _import_text(source, name)
    try:
        return _keep_machine_code(_import_file(_write_once(folder / f"{stem}.py", source), name))
    except OSError:
        return _import_text(source, name)


def _write_once(path: Path, source: str) -> Path:
    """Write the file unless it is there: Numba forgets its machine code when the time stamp changes."""
    text = source.encode()
    if not path.exists() or path.read_bytes() != text:  # a power cut leaves empty files
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    return path


def _keep_machine_code(module: types.ModuleType) -> types.ModuleType:
    """Cache the functions that Python calls, those that release the interpreter lock; return the module."""
    from strategy_optimizer.machine_code import keep  # loads Numba

    for function in vars(module).values():
        if getattr(function, "targetoptions", {}).get("nogil"):
            keep(function)
    return module


def _import_file(path: Path, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"the compiled kernel cannot be loaded from {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba's cache finds the kernel's types by the module's name
    spec.loader.exec_module(module)
    return module


def _import_text(source: str, name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module  # as above
    module.__package__ = name.rpartition(".")[0]
    exec(compile(source, f"<{name}>", "exec"), vars(module))
    return module
