"""Where a browser's request comes from: another site must not use the session that the browser keeps for us."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from strategy_optimizer.errors import NotAllowedError

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


def check_origin(origin: str | None, host: str | None, allowed: Collection[str] = ()) -> None:
    """Raise a `NotAllowedError` unless a request that a cookie lets in comes from our own pages.

    Parameters
    ----------
    origin, host : str or None
        These headers. Browsers send an origin with every write and every socket.
    allowed : collection of str
        Origins of other pages of ours, such as ``https://optimizer.example``.

    Examples
    --------
    >>> check_origin("http://127.0.0.1:8000", "127.0.0.1:8000")
    >>> check_origin("https://dash.example", "api.example", allowed=["https://dash.example"])
    >>> check_origin("https://evil.example", "api.example")
    Traceback (most recent call last):
    strategy_optimizer.errors.NotAllowedError: a session is not accepted from pages of https://evil.example
    """
    if not origin:
        raise NotAllowedError("a session needs the header Origin for this, as browsers send it; or use a key")
    if origin in allowed or (host and _place(origin) == host.lower()):
        return
    raise NotAllowedError(f"a session is not accepted from pages of {origin[:200]}")


def _place(origin: str) -> str | None:
    """Return host and port of an origin, as the header Host has them; None for ``null`` and what is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") else None
