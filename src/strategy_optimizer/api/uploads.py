"""Receives an uploaded file into a folder of its own, as the body of a request or as a form."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from strategy_optimizer.api.answers import asker_of
from strategy_optimizer.api.turns import RETRY
from strategy_optimizer.catalogue.datasets import Upload
from strategy_optimizer.errors import DatasetError, RepeatedKeyError, TooManyRequestsError, nearest_name
from strategy_optimizer.json_files import refuse_repeated_keys
from strategy_optimizer.market.columns import ROLES

BLOCK = 2**20
AT_ONCE = 4
"""Uploads of one user, from the first byte to the answer: each may lie on the disk with all that one may have."""
_COLUMNS = TypeAdapter(dict[str, str | tuple[str, str] | None])
FIELDS = ("file", "name", "columns", "repair")
_FORM = "multipart/form-data"


@dataclass(frozen=True)
class ReceivedFile:
    """A file that has arrived whole, and the fields of the form that it came in."""

    file: Path
    fields: Mapping[str, list[str]]

    def upload(self, name: str | None, columns: str | None, repair: list[str]) -> Upload:
        """Return it as an upload; what the query says goes before what the form says."""
        self._check_fields()
        name = name or next(iter(self.fields.get("name", ())), None)
        if not name:
            raise DatasetError("the dataset needs a name: ?name=NAME, or a field 'name' of the form")
        columns = columns or next(iter(self.fields.get("columns", ())), None)
        return Upload(self.file, name, _read_columns(columns), repair or self.fields.get("repair", []))

    def _check_fields(self) -> None:
        for field, values in self.fields.items():
            if field not in FIELDS:
                near = nearest_name(field, FIELDS)
                raise DatasetError(f"the form has no field {field!r}{near} (there are {', '.join(FIELDS)})")
            if field != "repair" and len(values) > 1:
                raise DatasetError(f"the field {field!r} of the form stands {len(values)} times; keep one")


async def received_file(request: Request) -> AsyncIterator[ReceivedFile]:
    """Receive the file of a request; it is gone when the request is done. Its size is limited before this.

    Yields
    ------
    ReceivedFile

    Raises
    ------
    TooManyRequestsError
        When too many of this user come at once.
    """
    uploading: Counter[str] = request.app.state.uploading
    user = asker_of(request)
    if uploading[user] >= AT_ONCE:
        raise TooManyRequestsError(
            f"{uploading[user]} uploads of yours are not done yet, as many as one user may have; wait for them, or ask "
            "again later",
            retry_after=RETRY,
        )
    uploading[user] += 1
    try:
        async for received in _received(request):
            yield received
    finally:
        uploading[user] -= 1
        if not uploading[user]:
            del uploading[user]


async def _received(request: Request) -> AsyncIterator[ReceivedFile]:
    folder = await run_in_threadpool(tempfile.mkdtemp, prefix="so-upload-")
    try:
        file = Path(folder) / "upload"
        if request.headers.get("content-type", "").startswith(_FORM):
            yield await _from_form(request, file)
        else:
            await _from_body(request, file)
            yield ReceivedFile(file, {})
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)


async def _from_body(request: Request, file: Path) -> None:
    block = bytearray()
    with await run_in_threadpool(file.open, "wb") as opened:
        async for part in request.stream():
            block += part
            if len(block) >= BLOCK:
                await run_in_threadpool(opened.write, bytes(block))
                block.clear()
        await run_in_threadpool(opened.write, bytes(block))


async def _from_form(request: Request, file: Path) -> ReceivedFile:
    async with request.form(max_files=1, max_fields=20) as form:
        sent = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not sent:
            raise DatasetError("the form has no file; expected a field 'file' with a CSV or Parquet file")
        await run_in_threadpool(_copy, sent[0].file, file)
        return ReceivedFile(file, _texts(form))


def _texts(form: FormData) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


def _copy(source: BinaryIO, file: Path) -> None:
    with file.open("wb") as opened:
        shutil.copyfileobj(source, opened, BLOCK)


def _read_columns(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        refuse_repeated_keys(text)
        return dict(_COLUMNS.validate_json(text))
    except RepeatedKeyError as error:
        raise DatasetError(f"columns: {error}") from error
    except ValidationError as error:
        raise DatasetError(
            f"columns: {error.errors()[0]['msg']}; expected a JSON object of role to column, such as "
            f'{{"close": "Px Last"}}; the roles are {", ".join(ROLES)}'
        ) from error
