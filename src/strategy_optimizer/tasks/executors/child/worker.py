"""The worker: loads the function once, then runs it on one argument after the other."""

from __future__ import annotations

import json
import mmap
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from . import frames, system
from .page import Page
from .words import error_text

DETAILS = 4000
_OWN_FOLDER = os.path.dirname(os.path.dirname(__file__))
loading = True
"""Whether the function is being loaded: what user code starts now, it starts at import."""


def main(text: str) -> None:
    """Work until the pool says that it is enough, or is gone; `text` are the settings as JSON."""
    import faulthandler

    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    settings = json.loads(text)
    jobs: int = settings["jobs"]
    for name in ("jobs", "data", "table"):
        os.set_inheritable(settings[name], False)
    page = Page(mmap.mmap(settings["table"], 0), settings["slot"])
    function = _load(jobs, settings["data"])
    if function is None:
        sys.exit(1)
    system.brake(settings["limits"]["memory"], settings["limits"]["processes"])
    frames.write(jobs, frames.pack(frames.READY, os.getpid(), memory=system.resident_bytes()))
    _serve(jobs, page, function)


def _load(jobs: int, data: int) -> Callable[[Any], Any] | None:
    global loading
    try:
        function = unpack(data)
    except BaseException as error:
        frames.write(jobs, frames.pack(frames.NOT_LOADED, payload=_message(error)))
        return None
    loading = False
    return function


def unpack(data: int) -> Callable[[Any], Any]:
    """Rebuild the function from the shared file; its arrays stay in the file and are read-only."""
    content = memoryview(mmap.mmap(data, 0, prot=mmap.PROT_READ))
    begin = int.from_bytes(content[:8], "little")
    head = json.loads(bytes(content[8:begin]))
    if head["folder"] is not None:
        os.chdir(head["folder"])
    sys.argv[:] = head["arguments"]
    sys.path[:] = head["path"]
    parts = [content[start : start + size] for start, size in head["parts"]]
    function: Callable[[Any], Any] = pickle.loads(parts[0], buffers=parts[1:])
    return function


def _serve(jobs: int, page: Page, function: Callable[[Any], Any]) -> None:
    own = os.getpid()
    while (frame := frames.read(jobs)) is not None and frame[0] == frames.JOB:
        _, number, argument = frame
        if page.is_withdrawn(number):
            frames.write(jobs, frames.pack(frames.SKIPPED, number))
            continue
        page.begin(number)
        began = time.perf_counter()
        kind, payload = _run(function, argument)
        seconds = time.perf_counter() - began
        if os.getpid() != own:
            os._exit(0)  # the function forked, and this is the copy
        frames.write(jobs, frames.pack(kind, number, payload, seconds, system.resident_bytes()))
        page.end()


def _run(function: Callable[[Any], Any], argument: bytes) -> tuple[int, bytes]:
    try:
        value = call(function, pickle.loads(argument))
    except MemoryError as error:
        return frames.OUT_OF_MEMORY, _message(error)
    except BaseException as error:
        return frames.RAISED, _message(error)
    try:
        return frames.VALUE, dumped(value)
    except BaseException as error:
        return frames.UNREADABLE, _message(error)
    finally:
        _flush()


def call(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function, and run a coroutine that it returns to its end."""
    value = function(argument)
    if hasattr(type(value), "__await__"):
        import asyncio

        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Any) -> Any:
    return await value


def dumped(value: Any) -> bytes:
    """Return a value as bytes; of a class that was sent with its code, with that."""
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:
        import cloudpickle

        content: bytes = cloudpickle.dumps(value, protocol=5)
        return content


def _message(error: BaseException) -> bytes:
    return json.dumps([error_text(error), details_of(error)]).encode()


def details_of(error: BaseException) -> str:
    """Return the traceback from the user's own code on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        trace = trace.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, trace))[-DETAILS:]
    except Exception:  # its text cannot be made
        return ""


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            continue  # the function closed it
