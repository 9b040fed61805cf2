"""One thread for linear algebra: the matrices are small, and the other cores run trials."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, wraps
from typing import Any, TypeVar

from strategy_optimizer.scipy_parts import lapack

F = TypeVar("F", bound=Callable[..., Any])


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    lapack()  # its library must be loaded when the controller looks for libraries
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and LAPACK use one thread."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context


def in_one_thread(function: F) -> F:
    """Let a function's linear algebra use one thread."""

    @wraps(function)
    def limited(*arguments: Any, **named: Any) -> Any:
        with one_thread():
            return function(*arguments, **named)

    return limited  # type: ignore[return-value]
