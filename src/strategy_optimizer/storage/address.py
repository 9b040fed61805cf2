"""Addresses of databases as they may be shown: in settings, errors and logs."""

from __future__ import annotations

from sqlalchemy import URL, make_url

MASK = "***"
_SECRET_OPTIONS = ("password", "passwd", "pwd", "sslpassword", "secret", "token")


def without_passwords(address: URL | str) -> str:
    """Return an address without its password, and without those among its options.

    >>> without_passwords("postgresql://ada:one@host/db?password=two&sslmode=require")
    'postgresql://ada:***@host/db?password=***&sslmode=require'
    """
    url = make_url(address)
    hidden = {name: MASK for name in url.query if name.lower() in _SECRET_OPTIONS}
    shown = url.update_query_dict(hidden) if hidden else url
    return shown.render_as_string(hide_password=True).replace("%2A", "*")
