"""Runs a strategy's file as a module, here and, from the same text, in a worker process."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from strategy_optimizer.errors import StrategyError, place_in

EXTRAS = {
    **{name: name for name in ("backtesting", "vectorbt", "yfinance", "ccxt", "ray")},
    "nautilus_trader": "nautilus",
}
"""Modules that come with an extra of this package, and which one."""

_imported: dict[str, tuple[bytes, ModuleType]] = {}


def import_file(path: Path) -> ModuleType:
    """Run a strategy file as a module named after it, with its folder importable for its helpers.

    A file that has changed is run again.
    """
    path = path.resolve()
    return _import_text(path, path.read_bytes())


def _import_text(path: Path, text: bytes) -> ModuleType:
    known, module = _imported.get(str(path), (b"", None))
    if module is not None and known == text:
        return module
    module = _run(path, text)
    _imported[str(path)] = text, module
    return module


def _run(path: Path, text: bytes) -> ModuleType:
    # The name has no digest in it, since cached machine code looks its module up by name.
    module_name = f"user_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None:
        raise StrategyError(f"{path} cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses and Numba look their module up
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:  # not by the loader: Python takes kept bytecode for that of a file edited within the same second
        exec(compile(text, str(path), "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        del sys.modules[module_name]
        raise StrategyError(f"{path}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        place = place_in("".join(traceback.format_exception(error)))
        raise StrategyError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}{place}{_how_to_install(error)}"
        ) from error
    return module


def _how_to_install(error: BaseException) -> str:
    """Return what to do about a module that is not there; empty where that is not the error."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    package = error.name.partition(".")[0]
    if package == "freqtrade":
        return (
            "; it lives in an environment of its own: name the strategy in FreqtradeEngine, see docs/engines"
        )
    if package in EXTRAS:
        return f"; pip install 'strategy-optimizer[{EXTRAS[package]}]'"
    return "; install it in the environment of strategy-optimizer, or put its file beside this one"


@dataclass(frozen=True)
class StrategyFile:
    """A class as the file that it comes from, as it was read.

    With its code alone the class would lack the module in which cached machine code looks for its functions: every
    process would compile it again.
    """

    path: Path
    text: bytes
    class_name: str

    def load(self) -> Any:
        """Return the class; its file is run unless it was, and need not be there any more."""
        return vars(_import_text(self.path, self.text))[self.class_name]


def file_of(strategy: type) -> StrategyFile | None:
    """Return the file that a class was loaded from; None where it did not come from `import_file`."""
    for path, (text, module) in _imported.items():
        if vars(module).get(strategy.__name__) is strategy:
            return StrategyFile(Path(path), text, strategy.__name__)
    return None
