"""Numba's cache of machine code: found quickly, and it may save compiling but never stops a run.

Numba compiles a function, puts it to use, and only then saves its machine code. A full disk at that moment, or a
file that a power cut left damaged, is an exception of Numba's in the middle of a backtest that could go on.

Before it looks into its cache, Numba readies its compiler, which takes a quarter of a second: it registers how
hundreds of functions are typed and lowered. Machine code that is found needs none of that, only the run time that
it calls for memory. What is not found is compiled, and to that end Numba readies the compiler by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from numba import njit
from numba.core import entrypoints
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

F = TypeVar("F", bound=Callable[..., Any])


class ForgivingCache(FunctionCache):
    """Finds nothing where it cannot read, keeps nothing where it cannot write, and readies no compiler."""

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
    """Let a compiled function find and keep its machine code beside its source, if that can be written to."""
    with suppress(OSError, RuntimeError):  # RuntimeError: Numba found no folder that it may write to
        function._cache = ForgivingCache(function.py_func)  # type: ignore[no-untyped-call]


def compiled(**options: Any) -> Callable[[F], F]:
    """Return the decorator `njit` with these options, whose machine code is kept for the next process."""

    def decorate(function: F) -> F:
        dispatcher = njit(**options)(function)
        keep(dispatcher)
        return dispatcher  # type: ignore[no-any-return]

    return decorate
