"""The store of these tests is SQLite; that of the first key is PostgreSQL too, since several may start at once."""

import pytest

from databases import clock, new_url, postgres, sqlite_template, store, url

__all__ = ["clock", "new_url", "postgres", "sqlite_template", "store", "url"]


@pytest.fixture
def engine_name() -> str:
    return "sqlite"
