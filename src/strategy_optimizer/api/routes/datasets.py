"""Datasets: upload, look at, rename, delete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Response

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.dependencies import Caller, TheChecks, TheStore
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.api.uploads import ReceivedFile, received_file
from strategy_optimizer.catalogue.datasets import (
    add_dataset,
    checked_name,
    find_dataset,
    is_id,
    remove_dataset,
)
from strategy_optimizer.errors import DatasetError, nearest_name
from strategy_optimizer.models.datasets import (
    CurveOut,
    DatasetChangeIn,
    DatasetDetailsOut,
    DatasetOut,
    DatasetsOut,
    FindingOut,
    PreviewOut,
    RowOut,
)
from strategy_optimizer.storage import DatasetRecord, Store

router = Router(prefix="/api/v1/datasets", tags=["datasets"])
DatasetId = Annotated[
    str,
    Path(
        max_length=200,
        description="id, or one's own name, of the dataset",
        examples=["data_4f1c2a90b7d3e865"],
    ),
]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FILE = {"type": "string", "format": "binary"}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "text/csv": {"schema": _FILE},
        "application/vnd.apache.parquet": {"schema": _FILE},
        "application/octet-stream": {"schema": _FILE},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "additionalProperties": False,
                "properties": {
                    "file": _FILE,
                    "name": {"type": "string"},
                    "columns": {"type": "string"},
                    "repair": {"type": "array", "items": {"type": "string"}},
                },
            }
        },
    },
}


@router.post("", status_code=201, openapi_extra={"requestBody": _BODY})
def upload_dataset(
    caller: Caller,
    store: TheStore,
    checks: TheChecks,
    response: Response,
    received: Annotated[ReceivedFile, Depends(received_file)],
    name: Annotated[
        str | None, Query(max_length=100, description="what it is to be called", examples=["EURUSD 1h"])
    ] = None,
    columns: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="JSON of role to column, for names that cannot be guessed; for timestamps also with a format",
            examples=['{"timestamp": ["Date", "%d/%m/%Y"], "close": "Px Last"}'],
        ),
    ] = None,
    repair: Annotated[
        list[str],
        Query(max_length=20, description="what may be mended, such as `sort`; nothing else is changed"),
    ] = [],  # noqa: B006
) -> DatasetDetailsOut:
    """Upload bars as CSV (also gzipped) or Parquet. What is wrong with them is told all at once, with row numbers."""
    upload = received.upload(name, columns, repair)
    record = add_dataset(store, caller.user_id, upload, turn=checks.held(caller.user_id))
    response.headers["Location"] = f"{router.prefix}/{record.id}"
    return _with_details(record)


@router.get("")
def list_datasets(
    caller: Caller,
    store: TheStore,
    page: Annotated[AskedPage, asked_page(Literal["name", "created", "size"])],
) -> DatasetsOut:
    """List one's datasets, by default by name; an administrator sees everybody's."""
    found = store.datasets.page(page.listing, owner=caller.owner)
    return DatasetsOut(
        datasets=[_shown(record) for record in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.get("/{dataset_id}")
def get_dataset(dataset_id: DatasetId, caller: Caller, store: TheStore) -> DatasetDetailsOut:
    """Return a dataset with all that the checks found."""
    return _with_details(_found(store, caller, dataset_id))


@router.get("/{dataset_id}/preview")
def preview_dataset(
    dataset_id: DatasetId,
    caller: Caller,
    store: TheStore,
    symbol: Annotated[str | None, Query(max_length=200, description="the first one by default")] = None,
) -> PreviewOut:
    """Return the first and last bars of a symbol, and its course in at most 500 points."""
    record = _found(store, caller, dataset_id)
    found = store.datasets.preview(record.digest)["symbols"]
    symbols = list(record.details["symbols"])[: len(found)]
    chosen = symbols[0] if symbol is None else symbol
    if chosen not in symbols:
        raise DatasetError(
            f"{record.name} has no preview of {chosen!r}{nearest_name(chosen, symbols)}; there are "
            f"{', '.join(symbols)}"
        )
    shown = found[symbols.index(chosen)]
    return PreviewOut(
        id=record.id,
        name=record.name,
        symbol=chosen,
        symbols=symbols,
        first=[_row(row) for row in shown["first"]],
        last=[_row(row) for row in shown["last"]],
        curve=CurveOut(
            time=[_moment(value) for value in shown["curve"]["timestamp"]], close=shown["curve"]["close"]
        ),
    )


@router.patch("/{dataset_id}")
def rename_dataset(
    dataset_id: DatasetId, change: DatasetChangeIn, caller: Caller, store: TheStore
) -> DatasetOut:
    """Give a dataset another name; tasks that were made with it keep it."""
    record = _found(store, caller, dataset_id)
    return _shown(store.datasets.rename(record.id, checked_name(change.name)))


@router.delete("/{dataset_id}", status_code=204)
def delete_dataset(dataset_id: DatasetId, caller: Caller, store: TheStore) -> None:
    """Delete a dataset; it is refused while a task that has not ended, or a schedule, uses it."""
    remove_dataset(store, _found(store, caller, dataset_id))


def _found(store: Store, caller: Principal, dataset_id: str) -> DatasetRecord:
    if is_id(dataset_id):
        return store.datasets.get(dataset_id, owner=caller.owner)
    return find_dataset(store, caller.user_id, dataset_id)


def _shown(record: DatasetRecord) -> DatasetOut:
    return DatasetOut(**_fields(record))


def _with_details(record: DatasetRecord) -> DatasetDetailsOut:
    problems = [FindingOut(**problem) for problem in record.details["problems"]]
    return DatasetDetailsOut(**_fields(record), problems=problems)


def _fields(record: DatasetRecord) -> dict[str, Any]:
    details = record.details
    names = ("symbols", "bars", "rows", "first", "last", "interval", "calendar", "format", "repairs")
    return {
        "id": record.id,
        "name": record.name,
        "owner": record.owner,
        "digest": record.digest,
        "size": record.size,
        "created_at": record.created,
        "warnings": sum(problem["severity"] == "warning" for problem in details["problems"]),
        **{name: details[name] for name in names},
    }


def _row(row: list[Any]) -> RowOut:
    time, *prices = row
    names = ("open", "high", "low", "close", "volume")
    return RowOut(time=_moment(time), **dict(zip(names, prices, strict=True)))


def _moment(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
