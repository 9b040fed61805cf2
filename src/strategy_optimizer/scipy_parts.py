"""SciPy's compiled functions without the packages around them.

To import `scipy.linalg`, `scipy.special` and `scipy.optimize` takes a third of a second, a tenth of a whole search of
two thousand trials: they put together documentation and make themselves fit for other array packages. A model needs a
few compiled functions of them, whose extension modules load in some milliseconds. They are the same functions. SciPy's
packages find these modules loaded when somebody imports them later.

Where a package is imported already they come from there, and so they do with versions of SciPy that this was not tried
with.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType

TRIED = ("1.17.",)  # versions of SciPy, by their beginnings
# What `_ufuncs` would import from its package, which is then not asked for them.
SPECIAL = ("_special_ufuncs", "_gufuncs", "_specfun", "_ellip_harm_2", "_ufuncs_cxx", "_ufuncs")

_loading = threading.Lock()


@cache
def lapack() -> ModuleType:
    """Return LAPACK's functions, as `scipy.linalg.lapack` has them."""
    return _parts("linalg", ("_flapack",)) or importlib.import_module("scipy.linalg.lapack")


@cache
def special() -> ModuleType:
    """Return the special functions, as `scipy.special` has them."""
    return _parts("special", SPECIAL) or importlib.import_module("scipy.special")


@cache
def lbfgsb() -> ModuleType | None:
    """Return the steps of L-BFGS-B, which `scipy.optimize.minimize` takes one after the other; None where not tried."""
    return _parts("optimize", ("_lbfgsb",))


def _parts(package: str, names: tuple[str, ...]) -> ModuleType | None:
    """Load extension modules of a package, each once those before it are there; return the last one."""
    import scipy

    if not scipy.__version__.startswith(TRIED):
        return None
    with _loading:
        if f"scipy.{package}" in sys.modules:
            return importlib.import_module(f"scipy.{package}.{names[-1]}")
        folders = [f"{folder}/{package}" for folder in scipy.__path__]
        files = [
            spec.origin for name in names if (spec := PathFinder.find_spec(name, folders)) and spec.origin
        ]
        if len(files) < len(names):  # as where SciPy's developers work on it
            return None
        return [_part(f"scipy.{package}.{name}", file) for name, file in zip(names, files, strict=True)][-1]


def _part(name: str, file: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # the others look here before they look for the package
        spec.loader.exec_module(module)
    return sys.modules[name]
