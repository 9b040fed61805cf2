"""A proxy before a server, that can fall silent, cut all connections, or be slow."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path


class FaultProxy:
    """Passes bytes on in a thread of its own, each after `delay` seconds.

    Parameters
    ----------
    server : Path or int
        Its Unix socket, or its port on this machine.
    listens : Path, optional
        The proxy's own Unix socket; without it there is a `port`.
    """

    def __init__(self, server: Path | int, listens: Path | None = None) -> None:
        self.delay = 0.0
        self.port = 0
        self._server, self._listens = server, listens
        self._is_away = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def cut(self) -> None:
        """End all connections and take no new ones: the server seems to be gone."""
        self._is_away = True
        self._loop.call_soon_threadsafe(self._end_all)

    def mend(self) -> None:
        """Take connections again."""
        self._is_away = False

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._end_all()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        if self._listens is not None:
            return await asyncio.start_unix_server(self._serve, str(self._listens))
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._server, Path):
            return await asyncio.open_unix_connection(str(self._server))
        return await asyncio.open_connection("127.0.0.1", self._server)

    def _end_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self._is_away:
                inner_reader, inner_writer = await self._connect()
                try:
                    await asyncio.gather(
                        self._pass_on(reader, inner_writer), self._pass_on(inner_reader, writer)
                    )
                finally:
                    inner_writer.close()
        writer.close()
        self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()
        writer.close()
