"""The service as one process: it opens the store, makes the app, starts a worker beside it, and serves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import structlog
import uvicorn

from strategy_optimizer.access.first_key import AdminKey, make_first_key
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.api.serving import Server, make_config
from strategy_optimizer.errors import SettingsError
from strategy_optimizer.service_logs import configure_logs, trace_here_alone
from strategy_optimizer.service_settings import PREFIX, ServiceSettings
from strategy_optimizer.storage import Store

LOG = structlog.get_logger(__name__)
DRAIN = 30.0
"""Seconds in which a worker may give its tasks back."""
PATIENCE, SILENCE = 1.5, 5.0
"""Seconds for which a request tries a database again, and for which one may say nothing: the threads are needed."""
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


def serve(settings: ServiceSettings) -> int:
    """Run the service until SIGINT or SIGTERM.

    Raises
    ------
    StorageError
        The database cannot be used.
    SettingsError
        The address is taken, or a route has no rule.
    """
    configure_logs(settings.log_level, settings.log_format)
    trace_here_alone()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Store(settings.store_url) as store:
        store.upgrade()
        key = make_first_key(store, settings.data_dir)
    with Store(settings.store_url, patience=PATIENCE, silence=SILENCE) as store:
        app = create_app(Service(store, settings))
        config = make_config(
            app,
            host=settings.host,
            port=settings.port,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
        )
        server = AnnouncingServer(config, key)
        with WorkerBeside(settings):
            try:
                server.run()
            except SystemExit as error:  # uvicorn's way to say that it could not listen
                raise SettingsError(
                    f"the service cannot listen on {settings.host}:{settings.port}; is the address taken? "
                    "--port 0 finds a free one"
                ) from error
            finally:
                if key is not None and not server.has_greeted:
                    sys.stderr.write(words_of(key))  # it is made, and no later start shows it
    return 0


class AnnouncingServer(Server):
    """Says where it listens once it does, and prints the key of the first administrator."""

    def __init__(self, config: uvicorn.Config, key: AdminKey | None) -> None:
        super().__init__(config)
        self.has_greeted = False
        self._key = key

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order at SIGINT and SIGTERM; uvicorn would raise them again, and the worker be left alone."""
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if not self.should_exit:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            sys.stderr.write(greeting(host, port, self._key))
            sys.stderr.flush()
            self.has_greeted = True


def greeting(host: str, port: int, key: AdminKey | None) -> str:
    """Return what a start says to people.

    >>> print(greeting("127.0.0.1", 8000, None), end="")
    strategy-optimizer listens on http://127.0.0.1:8000
    """
    place = f"[{host}]" if ":" in host else host
    listens = f"strategy-optimizer listens on http://{place}:{port}\n"
    if key is None:
        return listens
    ask = f'curl -H "Authorization: Bearer $(cat {key.path})" http://{place}:{port}/api/v1/server'
    return f"{listens}{words_of(key)}Try: {ask}\n"


def words_of(key: AdminKey) -> str:
    """Return how a key is shown."""
    return f"The first administrator's key, shown this once and kept in {key.path}:\n  {key.text}\n"


class WorkerBeside:
    """A worker process beside the service, started again when it dies; none with ``workers=0``."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._ending = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch = threading.Thread(target=self._keep, name="worker-watch", daemon=True)

    def __enter__(self) -> Self:
        if self._settings.workers:
            self._process = self._start()
            self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending.set()
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DRAIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._watch.join()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "strategy_optimizer.worker", "--slots", str(self._settings.workers)]
        # In a session of its own: Ctrl-C reaches the service alone, which then ends the worker in good order.
        return subprocess.Popen(
            command,
            env={**os.environ, **environment(self._settings)},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _keep(self) -> None:
        deaths = 0
        while True:
            process = self._process
            assert process is not None
            code = process.wait()
            if self._ending.is_set():
                return
            LOG.error("the worker beside the service died; it is started again", code=code)
            if self._ending.wait(_PAUSES[min(deaths, len(_PAUSES) - 1)]):
                return
            deaths += 1
            self._process = self._start()


def environment(settings: ServiceSettings) -> Mapping[str, str]:
    """Return the settings as variables, so that a process of ours has the same."""
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_none=True)
    if settings.database_url is not None:
        values["database_url"] = settings.database_url.get_secret_value()
    return {
        PREFIX + name.upper(): ",".join(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }
