"""Digests of code by content: what a function does, with everything that it reaches by name.

Two functions have the same digest when their code, defaults, closures and globals are the same, and those of all the
functions, classes and objects behind them. Comments and line numbers do not count; a changed constant in another
file does. Installed packages stand for themselves by name and version; this package's functions are looked into.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import pickle
import re
import sys
import sysconfig
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_DEEPEST = 20
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range, slice, np.generic)
_OWN = __name__.partition(".")[0]
# The key of the compiled kernels holds their versions.
_VERSIONED = {"numpy", "numba", "math", "builtins", "llvmlite"}
# What Python itself puts into a class.
_CLASS_NOISE = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__firstlineno__",
    "__static_attributes__",
}
_CLASS_NOISE |= {
    "__annotations__",
    "__abstractmethods__",
    "_abc_impl",
    "__dataclass_fields__",
    "__annotate_func__",
}


def function_digest(function: Callable[..., Any]) -> str:
    """Return the SHA-256 of a callable's code and of everything it can reach.

    Parameters
    ----------
    function : callable
        A function, compiled by Numba or not, a bound method, a `functools.partial`, or an object with ``__call__``.

    Notes
    -----
    Arrays and frames count with their values. An object whose state is not plain (a lock, a connection) counts
    with its class alone.
    """
    return content_digest(function)


def content_digest(*values: Any) -> str:
    """Return the SHA-256 of values and of the code of the functions and classes among them.

    >>> content_digest({"fast": 10}) == content_digest({"fast": 10}) != content_digest({"fast": 11})
    True
    """
    walk = _Walk()
    for value in values:
        root = _plain_function(value)
        if isinstance(
            root, (types.FunctionType, type)
        ):  # what was asked for is looked into, installed or not
            walk.own.add(_top(root.__module__))
        if isinstance(root, types.FunctionType):
            walk.feed_function(root)
        else:
            walk.feed(value)
    return walk.sha.hexdigest()


class _Walk:
    """One digest in the making; `seen` keeps what was met alive, so that no two things share an id."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()
        self.seen: dict[int, Any] = {}
        self.own: set[str] = set()

    def text(self, text: str) -> None:
        self.sha.update(text.encode(errors="surrogatepass"))

    def first_time(self, value: Any) -> bool:
        is_new = id(value) not in self.seen
        self.seen[id(value)] = value
        return is_new

    def is_library(self, module: str | None) -> bool:
        """Return whether a version stands for the module's content."""
        top = _top(module)
        return top in _VERSIONED or (top not in self.own and top != _OWN and _is_installed(top))

    # -- functions ---------------------------------------------------------------------------------------------

    def feed_function(self, function: types.FunctionType) -> None:
        if not self.first_time(function):
            return
        # The module counts: Numba's machine code looks it up by its name when it is loaded.
        name = f"{function.__module__}.{function.__qualname__}"
        self.text(f"def {name}{_stable(function.__defaults__)}{_stable(function.__kwdefaults__)}")
        for defaults in (function.__defaults__, function.__kwdefaults__):
            if not _is_plain(defaults):
                self.feed(defaults)
        self.feed_code(function.__code__)
        for cell in function.__closure__ or ():
            self.feed(_content(cell))
        names = _global_names(function.__code__)
        for name in sorted(names):
            if name in function.__globals__:
                self.text(name)
                self.feed(function.__globals__[name], names)

    def feed_code(self, code: types.CodeType) -> None:
        self.sha.update(code.co_code)
        self.text(repr((code.co_names, code.co_varnames)))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.feed_code(constant)
            else:
                self.text(_stable(constant))

    # -- values ------------------------------------------------------------------------------------------------

    def feed(self, value: Any, attributes: frozenset[str] | set[str] = frozenset()) -> None:
        """Feed a value; of a module only the members that are named in `attributes`."""
        function = _plain_function(value)
        if isinstance(function, types.FunctionType):
            if not self.is_library(function.__module__):
                self.feed_function(function)
            elif _top(function.__module__) not in _VERSIONED:
                self.text(f"{function.__module__}.{function.__qualname__} {_version(function.__module__)}")
        elif isinstance(value, types.ModuleType):
            self._feed_module(value, attributes)
        elif _is_plain(value):
            self.text(_stable(value))
        elif self.first_time(value):
            self._feed_compound(value)

    def _feed_module(self, module: types.ModuleType, attributes: frozenset[str] | set[str]) -> None:
        self.text(module.__name__)
        if self.is_library(module.__name__):
            self.text("" if _top(module.__name__) in _VERSIONED else _version(module.__name__))
            return
        for name in sorted(attributes & set(vars(module))):
            self.feed(vars(module)[name], attributes)

    def _feed_compound(self, value: Any) -> None:
        if isinstance(value, np.ndarray):
            self._feed_array(value)
        elif isinstance(value, type):
            self._feed_class(value)
        elif isinstance(value, Mapping):
            self.text(f"{type(value).__qualname__}{len(value)}")
            for key, item in value.items():
                self.feed(key)
                self.feed(item)
        elif isinstance(value, (set, frozenset)):
            self.text(f"{type(value).__qualname__}{sorted(content_digest(item) for item in value)}")
        elif isinstance(value, (list, tuple)):
            self.text(f"{type(value).__qualname__}{len(value)}")
            for item in value:
                self.feed(item)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self.feed(part)
        elif isinstance(value, types.MethodType):
            self.feed(value.__func__)
            self.feed(value.__self__)
        elif isinstance(value, (staticmethod, classmethod)):
            self.feed(value.__func__)
        elif isinstance(value, functools.cached_property):
            self.feed(value.func)
        elif isinstance(wrapped := getattr(value, "__wrapped__", None), types.FunctionType):  # lru_cache
            self.feed(wrapped)
        elif isinstance(value, property):
            self.feed(value.fget)
            self.feed(value.fset)
        else:
            self._feed_object(value)

    def _feed_array(self, array: np.ndarray[Any, Any]) -> None:
        if array.dtype.hasobject:
            self.feed(array.tolist())
        else:
            self.sha.update(np.ascontiguousarray(array).tobytes())
        self.text(str((array.shape, array.dtype)))

    def _feed_class(self, cls: type) -> None:
        self.text(f"{cls.__module__}.{cls.__qualname__}{getattr(cls, '_fields', '')}")
        if _top(cls.__module__) == _OWN and _OWN not in self.own:
            return  # the user's code stands on this package: its version is kept elsewhere
        if self.is_library(cls.__module__):
            self.text("" if _top(cls.__module__) in _VERSIONED else _version(cls.__module__))
            return
        for base in cls.__bases__:
            self.feed(base)
        for name, member in sorted(vars(cls).items()):
            if name not in _CLASS_NOISE and not isinstance(member, types.MemberDescriptorType):
                self.text(name)
                self.feed(member)

    def _feed_object(self, value: Any) -> None:
        """Feed the class and the state of an object; frames by their values."""
        cls = type(value)
        if isinstance(digest := getattr(value, "digest", None), str):  # bars
            self.text(f"{cls.__qualname__}{digest}")
        elif _top(cls.__module__) == "pandas" and hasattr(value, "to_numpy"):
            self._feed_pandas(value)
        elif self.is_library(cls.__module__):
            self._feed_class(cls)
            self._feed_foreign_state(value)
        else:
            self.feed(cls)
            self.feed(_state(value))

    def _feed_pandas(self, value: Any) -> None:
        from pandas.util import hash_pandas_object  # it is imported already: the caller has a frame

        self.text(f"{type(value).__qualname__}{value.shape}{value.dtypes!s}")
        self.text(str(list(getattr(value, "columns", []))))
        try:
            self.sha.update(hash_pandas_object(value, index=True).to_numpy().tobytes())
        except TypeError:  # cells that cannot be hashed
            self._feed_foreign_state(value)

    def _feed_foreign_state(self, value: Any) -> None:
        if _top(type(value).__module__) in sys.stdlib_module_names and "__repr__" in _defined(type(value)):
            text = repr(value)
            if not re.search(r" at 0x|\.\.\.", text):
                self.text(text)
                return
        try:  # of other packages `repr` may leave out what counts
            self.sha.update(pickle.dumps(value, protocol=5))
        except Exception:  # a lock, a connection: nothing of it can be known, and anything may be raised
            self.text("without state")


def _defined(cls: type) -> set[str]:
    """Return the names that a class and its bases define, `object` left out."""
    return {name for base in cls.__mro__ if base is not object for name in vars(base)}


def _plain_function(value: Any) -> Any:
    """Return the Python function in a Numba dispatcher; other values as they are."""
    inner = getattr(value, "py_func", value)
    return inner if isinstance(inner, types.FunctionType) else value


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is bound later
        return None


def _state(value: Any) -> Any:
    """Return the attributes of an object of the user's."""
    names = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())]
    slots = {name: getattr(value, name) for name in names if hasattr(value, name)}
    return dict(sorted((getattr(value, "__dict__", {}) | slots).items()))


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether `repr` says all of a value; not of one that may hold itself."""
    if depth > _DEEPEST:
        return False
    if type(value) in (tuple, list, set, frozenset):
        return all(_is_plain(item, depth + 1) for item in value)
    if type(value) is dict:
        return all(_is_plain(part, depth + 1) for item in value.items() for part in item)
    return isinstance(value, _PLAIN)


def _stable(value: Any) -> str:
    """Return the `repr` of a plain value, with sets in order: theirs changes from process to process."""
    if not _is_plain(value):
        return ""
    text = repr(value)
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({sorted(map(_stable, value))})"
    if isinstance(value, dict):
        pairs = [f"{_stable(key)}: {_stable(item)}" for key, item in value.items()]
        return f"{{{', '.join(pairs)}}}" if "{" in text[1:] or "frozenset" in text else text
    if isinstance(value, (list, tuple)) and ("{" in text or "frozenset" in text):
        return f"{type(value).__name__}({', '.join(map(_stable, value))})"
    return text


def _global_names(code: types.CodeType) -> set[str]:
    """Return the names of globals and attributes that the code and the functions inside it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


def _top(module: str | None) -> str:
    return (module or "").partition(".")[0]


@functools.cache
def _is_installed(top: str) -> bool:
    """Return whether a top-level module belongs to Python or to an installed package."""
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None:
        return False
    roots = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(part in {"site-packages", "dist-packages"} for part in Path(file).parts) or any(
        Path(file).is_relative_to(root) for root in roots
    )


@functools.cache
def _version(module: str) -> str:
    top = _top(module)
    if top in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:2]))
    version = getattr(sys.modules.get(top), "__version__", None)
    try:
        return str(version or importlib.metadata.version(top))
    except importlib.metadata.PackageNotFoundError:
        return ""
