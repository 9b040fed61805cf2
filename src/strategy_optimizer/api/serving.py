"""The server as the service runs it: uvicorn, with websockets that let go of clients who do not read."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from strategy_optimizer.api.hub import Hub
from strategy_optimizer.api.watcher import DROP

MOST_FILES = 65_536
GRACE = 10.0
"""Seconds for which a closed socket waits for the client to read the rest."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's websockets; what they have not sent `GRACE` seconds after closing is thrown away.

    Uvicorn waits for ever for a client that is there but does not read, and a sender waits with it.
    """

    def handle_connect(self, event: Any) -> None:
        """Begin the handshake, and offer the app to drop this client."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][DROP] = self.drop  # type: ignore[assignment]

    def drop(self, code: int, reason: str) -> None:
        """Close without waiting for what the client has not read yet."""
        if self.close_sent or self.disconnected or not self.handshake_complete:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._abort_later()

    async def send(self, message: Any) -> None:
        """Send a message of the app."""
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self._abort_later()

    def keepalive_timeout(self) -> None:
        """Close the socket of a client that did not answer a ping."""
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        """Close the socket because the server ends."""
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(GRACE, self.transport.abort)


class Server(uvicorn.Server):
    """uvicorn, which lets the requests that wait for events answer before it ends."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        allow_many_files()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: sockets close with 1012, and clients come back when the service does."""
        hub: Hub = self.config.app.state.hub  # type: ignore[union-attr]
        hub.stop()
        await super().shutdown(sockets)
        # The loop would wait for ever for a client that is there and does not read its answer.
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def allow_many_files() -> None:
    """Let this process have as many connections as the system lets it; often it begins with 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def make_config(app: FastAPI, **options: Any) -> uvicorn.Config:
    """Return how uvicorn serves an app.

    Parameters
    ----------
    app : FastAPI
        What `create_app` made.
    **options
        Of `uvicorn.Config`, such as host and port.
    """
    return uvicorn.Config(
        app,
        ws=SocketProtocol,
        ws_max_size=4096,
        ws_per_message_deflate=False,  # frames are small; a window of memory for each client is not
        timeout_graceful_shutdown=5,
        lifespan="on",  # it ends the child processes of the API
        log_config=None,
        access_log=False,
        server_header=False,
        **options,
    )
