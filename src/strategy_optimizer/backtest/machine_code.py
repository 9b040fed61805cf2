"""Numba's cache of machine code, which may save compiling but never stops a run.

Numba compiles a function, puts it to use, and only then saves its machine code. A full disk at that moment, or a
file that a power cut left damaged, is an exception of Numba's in the middle of a backtest that could go on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from numba.core.caching import FunctionCache


class ForgivingCache(FunctionCache):
    """Finds nothing where it cannot read, keeps nothing where it cannot write."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code that is kept for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
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
