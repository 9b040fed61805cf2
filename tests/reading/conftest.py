"""Tests that take `store` run on SQLite and on a real PostgreSQL."""

from databases import clock, engine_name, new_url, postgres, sqlite_template, store, url

__all__ = ["clock", "engine_name", "new_url", "postgres", "sqlite_template", "store", "url"]
