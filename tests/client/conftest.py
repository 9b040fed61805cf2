"""A real service, and a client of it."""

from tests.service.live import client, service

__all__ = ["client", "service"]
