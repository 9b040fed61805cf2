"""How a function gets to the workers: once, as one nameless file that all of them map.

Functions of `__main__`, of a notebook, and of files that a worker could not import go with their code (cloudpickle);
all others go by name. Large arrays lie in the file as they are, and the workers read them there.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import ExecutorError, UnsendableError
from strategy_optimizer.tasks.executors.child.words import error_text
from strategy_optimizer.tasks.executors.culprits import find_culprit
from strategy_optimizer.tasks.executors.shared_file import nameless_file, write_parts

ALIGNMENT = 64
SHARED_FROM = 2**16
"""Arrays of so many bytes are shared and read-only; each worker has its own copy of smaller ones."""


class SentFunction:
    """A function in a nameless file.

    Parameters
    ----------
    function : callable
        Of one argument.

    Attributes
    ----------
    file : int
        Its descriptor.
    size : int
        Bytes in it.

    Raises
    ------
    UnsendableError
        When something that it refers to cannot be pickled: names what.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        parts = _lay_out(function_parts(function))
        self.size = sum(len(part) for part in parts)
        self.file = nameless_file("function")
        try:
            write_parts(self.file, parts)
        except OSError as error:
            self.close()
            raise ExecutorError(
                f"the function and its data ({self.size:,} bytes) cannot be put into shared memory: "
                f"{error.strerror or error}"
            ) from error

    def close(self) -> None:
        """Let go of the file; the workers that map it keep it."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1


def function_parts(function: Callable[[Any], Any]) -> list[memoryview]:
    """Return the pickled function, and after it its large arrays, as they are.

    Raises
    ------
    UnsendableError
        When something that it refers to cannot be pickled: names what.
    """
    if not callable(function):
        raise UnsendableError(
            f"{function!r} cannot be run; expected a function of one argument, the parameters"
        )
    arrays: list[pickle.PickleBuffer] = []
    stream = _dumped(function, arrays)
    return [memoryview(stream), *(array.raw() for array in arrays)]


def sent_argument(argument: Any) -> bytes:
    """Return an argument as bytes.

    Raises
    ------
    UnsendableError
        When it cannot be pickled: names what.
    """
    stream = io.BytesIO()
    try:
        _ByName(stream, protocol=5).dump(argument)
    except Exception:
        return _dumped(argument, None, "the parameters", "the parameters")
    return stream.getvalue()


def received_value(content: bytes | memoryview) -> tuple[Any, str]:
    """Return the value that a worker sent, and an empty text; else None, and why it cannot be read."""
    try:
        return pickle.loads(content), ""
    except KeyboardInterrupt:  # the caller's
        raise
    except BaseException as error:
        return None, f"its value cannot be read here: {error_text(error)}"


class _ByName(pickle.Pickler):
    """The plain pickler, many times as fast; refuses what has to go with its code."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, (types.FunctionType, type)) and not _is_known_to_workers(value.__module__):
            raise pickle.PicklingError(f"no worker can import {value.__module__}")
        return NotImplemented


def _is_known_to_workers(name: str) -> bool:
    module = sys.modules.get(name)
    return name != "__main__" and module is not None and _can_be_imported(module)


def _dumped(value: Any, arrays: list[pickle.PickleBuffer] | None, label: str = "", root: str = "") -> bytes:
    try:
        return _pickled(value, arrays)
    except Exception as error:
        with _modules_by_value() as pickler:
            culprit = find_culprit(value, root, lambda part: _dump(pickler, part))
        name = label or f"the function '{_name_of(value)}'"
        raise UnsendableError(
            f"{name} cannot be sent to a worker process: {culprit or error_text(error)}"
        ) from error


def _name_of(function: Any) -> str:
    """Return what its author calls a function: an object that is called may have a label."""
    named = getattr(function, "__qualname__", None) or getattr(function, "label", None)
    return str(named or type(function).__qualname__)


def _pickled(value: Any, arrays: list[pickle.PickleBuffer] | None) -> bytes:
    def keep(array: pickle.PickleBuffer) -> bool:
        """Say whether it stays in the stream."""
        if arrays is None or array.raw().nbytes < SHARED_FROM:
            return True
        arrays.append(array)
        return False

    stream = io.BytesIO()
    with _modules_by_value() as pickler:
        pickler(stream, protocol=5, buffer_callback=keep).dump(value)
    return stream.getvalue()


def _dump(pickler: type[Any], value: Any) -> None:
    pickler(io.BytesIO(), protocol=5, buffer_callback=lambda array: None).dump(value)


@contextmanager
def _modules_by_value() -> Iterator[type[Any]]:
    """Give a pickler that sends what no worker could import with its code."""
    import cloudpickle

    known: dict[str, bool] = {}
    added: list[types.ModuleType] = []

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if isinstance(value, (types.FunctionType, type)):
                self._look(value.__module__)
            elif isinstance(value, types.ModuleType):
                self._look(value.__name__)
            elif isinstance(value, types.CodeType):
                return _with_file_name(value, self.dispatch_table[types.CodeType](value))
            reduced = super().reducer_override(value)
            return _with_slots(value, reduced) if isinstance(value, type) else reduced

        def _look(self, name: str | None) -> None:
            module = sys.modules.get(name or "")
            if module is None or name in known:
                return
            known[module.__name__] = can_be_imported(module)
            if not can_be_imported(module) and name not in cloudpickle.list_registry_pickle_by_value():
                cloudpickle.register_pickle_by_value(module)
                added.append(module)

    try:
        yield Pickler
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


def _with_file_name(code: types.CodeType, reduced: Any) -> Any:
    """Put back the file's name, which cloudpickle leaves out and tracebacks need."""
    make, arguments = reduced
    return make, tuple(code.co_filename if part == "<dynamic-code>" else part for part in arguments)


def _with_slots(cls: type, reduced: Any) -> Any:
    """Give a class that goes with its code its slots back, which cloudpickle leaves out.

    Without them its instances would have a ``__dict__``, which this process's own class has no place for.
    """
    slots = vars(cls).get("__slots__")
    if reduced is NotImplemented or not slots or len(reduced[1]) != 6:  # an Enum has 7
        return reduced
    make, (kind, name, bases, content, *tracked), *rest = reduced
    return make, (kind, name, bases, {**content, "__slots__": slots}, *tracked), *rest


def can_be_imported(module: types.ModuleType) -> bool:
    """Return whether another process with the same path would find this very module by its name.

    >>> import json, types
    >>> can_be_imported(json), can_be_imported(types.ModuleType("made_by_hand"))
    (True, False)
    """
    name, file = module.__name__, getattr(module, "__file__", None)
    if name == "__main__" or file is None:
        return name in sys.builtin_module_names or _spec_of(name) is not None
    spec = _spec_of(name)
    if spec is None or spec.origin is None:
        return False
    return spec.origin == "frozen" or _same_file(spec.origin, file)


_can_be_imported = cache(can_be_imported)  # asked for each argument


def _spec_of(name: str) -> ModuleSpec | None:
    """Search for a module as an import would, though it is loaded."""
    parent = sys.modules.get(name.rpartition(".")[0])
    path = getattr(parent, "__path__", None)
    if "." in name and (path is None or (parent is not None and not can_be_imported(parent))):
        return None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path) if find else None
        if spec is not None:
            return spec
    return None


def _same_file(first: str, second: str) -> bool:
    try:
        return Path(first).samefile(second)
    except OSError:
        return first == second


def _lay_out(parts: list[memoryview]) -> list[bytes | memoryview]:
    """Return what stands in the file: the head's size, the head, and each part where the head says."""
    head = {"folder": _folder(), "path": [str(entry) for entry in sys.path], "arguments": sys.argv}
    # The places depend on the head's length and stand in it: room for their digits is left.
    room = len(json.dumps(head)) + 48 * (len(parts) + 1)
    at = begin = _aligned(8 + room)
    places: list[tuple[int, int]] = []
    laid: list[bytes | memoryview] = []
    for part in parts:
        places.append((at, part.nbytes))
        padding = _aligned(part.nbytes) - part.nbytes
        laid += [part, bytes(padding)]
        at += part.nbytes + padding
    text = json.dumps({**head, "parts": places}).encode().ljust(begin - 8)
    return [begin.to_bytes(8, "little") + text, *laid]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        return None
