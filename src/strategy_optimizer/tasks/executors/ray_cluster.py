"""A Ray cluster: one of this machine's own, started and ended here, or one that is joined and left as it was.

Ray runs whatever reaches its ports, so a cluster of our own listens on the loopback interface alone and asks for a
token.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from strategy_optimizer.errors import ClusterUnavailableError, ExecutorError
from strategy_optimizer.tasks.executors import ray_leftovers
from strategy_optimizer.tasks.executors.child.words import error_text, one_line
from strategy_optimizer.tasks.executors.guarded_process import THREADS

OLDEST = (2, 54)
"""Before it a web page could give orders to a cluster (CVE-2026-27482)."""

ANSWER_SECONDS = 10.0
SILENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
CONTAINED = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its processes listen at the loopback address
    "RAY_ROTATION_MAX_BYTES": str(2**22),  # what trials print
    "RAY_ROTATION_BACKUP_COUNT": "1",
}


class RayCluster:
    """A connection to a cluster.

    Attributes
    ----------
    ray : module
        Ray itself.
    own : bool
        Whether it was started here, and ends with `close`.
    """

    def __init__(self, ray: ModuleType, *, own: bool, connected: bool, folder: Path | None = None) -> None:
        self.ray = ray
        self.own = own
        self._connected = connected
        self._folder = folder
        if folder is not None:
            self._guard = _guard(folder)

    @classmethod
    def start(cls, cores: int, store: int, runtime_env: Mapping[str, Any]) -> RayCluster:
        """Start one on this machine, with `store` bytes for objects."""
        ray = load_ray()
        _refuse_second(ray)
        folder = _short_folder()
        cluster = cls(ray, own=True, connected=True, folder=folder)
        atexit.register(cluster.close)
        token = folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        variables = {
            **SILENT,
            **CONTAINED,
            **dict.fromkeys(THREADS, "1"),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_AUTH_TOKEN": None,
            "RAY_ADDRESS": None,
            ray_leftovers.MARK: str(folder),
        }
        try:
            with _environment(variables), _quiet(ray, loopback=True):
                ray.init(
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=store,
                    _temp_dir=str(
                        folder / "r"
                    ),  # Ray opens it to everybody; the folder around it stays closed
                    **_silence(runtime_env),
                )
            _demand_loopback(ray)
        except ExecutorError:
            cluster.close()
            raise
        except Exception as error:
            cluster.close()
            raise ExecutorError(f"Ray cannot be started on this machine: {error_text(error)}") from error
        return cluster

    @classmethod
    def join(cls, address: str, runtime_env: Mapping[str, Any]) -> RayCluster:
        """Connect to one that runs."""
        loopback = check_address(address)
        ray = load_ray()
        _refuse_second(ray)
        with _environment(_joining()), _quiet(ray, loopback):
            _probe(address)
            try:
                ray.init(address=address, **_silence(runtime_env))
            except Exception as error:
                raise ExecutorError(f"Ray at {address} cannot be joined: {error_text(error)}") from error
        return cls(ray, own=False, connected=True)

    @classmethod
    def present(cls) -> RayCluster | None:
        """Return the one that this program is connected to already."""
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return None
        return cls(load_ray(), own=False, connected=False)

    def sweep(self, process: int) -> None:
        """End what a worker that is dead, or will be at once, has left running; on other machines it stays."""
        if self._folder is None:
            return
        end = time.monotonic() + 0.5
        while Path(f"/proc/{process}").exists() and time.monotonic() < end:
            time.sleep(0.01)
        ray_leftovers.end_orphans(str(self._folder), os.getpid())

    def close(self) -> None:
        """Leave the cluster; end it, and remove what it left, when it was started here."""
        if self._connected:
            self._connected = False
            with _silent_shutdown():
                self.ray.shutdown()
        if self._folder is not None:
            ray_leftovers.end_all(str(self._folder), os.getpid())
            self._folder = None
            self._guard.communicate()
            _forget_token()
            atexit.unregister(self.close)


def load_ray() -> ModuleType:
    """Import Ray.

    Raises
    ------
    ExecutorError
        When it is not installed, or too old.
    """
    wanted = ".".join(map(str, OLDEST))
    advice = "pip install 'strategy-optimizer[ray]'"
    try:
        found = version("ray")
    except PackageNotFoundError:
        raise ExecutorError(f"Ray is not installed; expected ray >= {wanted}: {advice}") from None
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if numbers < OLDEST:
        raise ExecutorError(f"Ray {found} is installed; expected ray >= {wanted}: {advice}")
    try:
        with _environment(SILENT):
            return importlib.import_module("ray")
    except ImportError as error:
        raise ExecutorError(f"Ray {found} cannot be imported: {error_text(error)}") from error


def check_address(address: str) -> bool:
    """Knock at an address; return whether a loopback port answered.

    Raises
    ------
    ExecutorError
        When it is no address, or nothing answers there.

    Examples
    --------
    >>> check_address("http://head:8265")
    Traceback (most recent call last):
    strategy_optimizer.errors.ExecutorError: 'http://head:8265' is no address of a Ray cluster; expected 'host:port' ...
    """
    if address == "auto":
        return False
    parts = re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})", address)
    if parts is None or not 0 < int(parts[2]) < 65536:
        raise ExecutorError(
            f"{address!r} is no address of a Ray cluster; expected 'host:port' of its head, as in "
            f"'10.0.0.5:6379', or 'auto'; this program must run on a node of the cluster (ray:// and http:// "
            f"addresses are for other clients)"
        )
    host = parts[1].strip("[]")
    try:
        socket.create_connection((host, int(parts[2])), timeout=ANSWER_SECONDS / 2).close()
    except OSError as error:
        raise _no_answer(address, error_text(error)) from error
    return host in LOOPBACK


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _no_answer(address: str, why: str) -> ClusterUnavailableError:
    return ClusterUnavailableError(
        f"no Ray cluster answers at {address} ({why}); expected the address of its head, which "
        f"'ray start --head' prints"
    )


REFUSED = ("InvalidAuthToken", "AuthenticationError")
PROBE = """
import sys, ray
if sys.argv[2] == "loopback":
    ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="critical", configure_logging=False)
"""


def _probe(address: str) -> None:
    """Connect from another process first: where nobody answers rightly Ray waits for minutes, or ends its process."""
    loopback = "loopback" if address.rpartition(":")[0].strip("[]") in LOOPBACK else "cluster"
    code, said = _try([sys.executable, "-c", PROBE, address, loopback])
    if any(word in said for word in REFUSED):
        raise ExecutorError(
            f"the Ray cluster at {address} does not accept the token; expected RAY_AUTH_MODE=token, and its token "
            f"in RAY_AUTH_TOKEN or in the file that RAY_AUTH_TOKEN_PATH names"
        )
    if code is None:
        raise _no_answer(address, f"nothing that Ray understands within {ANSWER_SECONDS:.0f} s")
    if code:
        last = said.strip().splitlines()[-1:] or [f"exit code {code}"]
        raise ExecutorError(f"Ray at {address} cannot be joined: {one_line(last[0])}")


def _try(command: list[str]) -> tuple[int | None, str]:
    """Return the exit code, None where it took too long, and what was said until then or until a refusal."""
    end = time.monotonic() + ANSWER_SECONDS
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output
        )
        try:
            while True:
                code = process.poll()
                said = os.pread(output.fileno(), 2**20, 0).decode(errors="replace")
                if code is not None or time.monotonic() > end or any(word in said for word in REFUSED):
                    return code, said
                time.sleep(0.05)
        finally:
            process.kill()
            process.wait()


def _joining() -> dict[str, str | None]:
    """Return what is set while a cluster is joined: a token that is given is used."""
    variables: dict[str, str | None] = {**SILENT}
    given = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given and "RAY_AUTH_MODE" not in os.environ:
        variables["RAY_AUTH_MODE"] = "token"
    return variables


def _silence(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "critical", "configure_logging": False}
    return {**quiet, "runtime_env": dict(runtime_env)} if runtime_env else quiet


def _refuse_second(ray: ModuleType) -> None:
    if ray.is_initialized():
        raise ExecutorError(
            "this program is connected to a Ray cluster already, and Ray knows one at a time; leave it first "
            "(close the executor, or ray.shutdown()), or give no address to use it"
        )


def _demand_loopback(ray: ModuleType) -> None:
    places = {node["NodeManagerAddress"] for node in ray.nodes()}
    if not places <= {"127.0.0.1", "::1"}:
        raise ExecutorError(
            f"Ray {ray.__version__} listens at {', '.join(sorted(places))} instead of the loopback interface alone; "
            f"start a cluster that you secured yourself, and give its address"
        )


def _short_folder() -> Path:
    # The paths of Ray's sockets are long, and the system takes 107 bytes.
    return Path(tempfile.mkdtemp(prefix="so-ray-", dir="/tmp" if os.name == "posix" else None))


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    """Start the process that cleans up should this one be killed."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", ray_leftovers.__file__, str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


@contextlib.contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables, or take them away where they are None, for a while."""
    before = {
        name: os.environ.get(name) for name in (*variables, "PYTHONBREAKPOINT")
    }  # Ray sets it on the way
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _quiet(ray: ModuleType, loopback: bool) -> Iterator[None]:
    """Keep Ray from taking over signals and printing the deaths of workers on our standard output."""
    constants = importlib.import_module("ray._private.ray_constants")
    node = importlib.import_module("ray._private.node").Node
    wanted: list[tuple[Any, str, Any]] = [(ray._private.worker, "listen_error_messages", _nothing)]
    # The dashboard is started without its page even when it is off; nothing here needs it, nor what scales clusters
    # and forwards logs.
    wanted += [(node, name, _nothing) for name in ("start_api_server", "start_monitor", "start_log_monitor")]
    wanted += [(constants, "ENABLE_RAY_CLUSTER", False)] if loopback else []
    changes = [(place, name, value) for place, name, value in wanted if hasattr(place, name)]
    before = [(place, name, getattr(place, name)) for place, name, _ in changes]
    _forget_token()
    with _same_signals():
        for place, name, value in changes:
            setattr(place, name, value)
        try:
            yield
        finally:
            for place, name, value in before:
                setattr(place, name, value)


def _nothing(*given: Any, **named: Any) -> None:
    """Take the place of a function of Ray that is not wanted."""


@contextlib.contextmanager
def _same_signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not in the main thread, where Ray changes none either
            for number, handler in zip(numbers, before, strict=True):
                if handler is not None:
                    signal.signal(number, handler)


def _forget_token() -> None:
    """Let Ray read the token anew: it keeps the one of the cluster before."""
    raylet = sys.modules.get("ray._raylet")
    with contextlib.suppress(AttributeError):
        raylet.Config.initialize("")  # type: ignore[union-attr]
        raylet.AuthenticationTokenLoader.instance().reset_cache()  # type: ignore[union-attr]


@contextlib.contextmanager
def _silent_shutdown() -> Iterator[None]:
    with _same_signals(), contextlib.suppress(Exception):
        yield
