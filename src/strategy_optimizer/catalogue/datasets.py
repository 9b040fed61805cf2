"""Datasets of users: an upload is checked, brought into one form and stored; tasks name it and workers load it."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from strategy_optimizer.catalogue.confinement import Confinement, run_confined
from strategy_optimizer.catalogue.texts import clean
from strategy_optimizer.errors import (
    DatasetError,
    DatasetInUseError,
    DuplicateError,
    NotStoredError,
    QuotaError,
)
from strategy_optimizer.market.repairs import parse_repairs
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.storage import DatasetRecord, Place, Store, TaskRecord
from strategy_optimizer.storage.datasets import CHUNK_BYTES, NewContent

LIMITS = Confinement(seconds=120.0, memory=4 * 2**30, processes=16, file_size=2**30, answer=2**23)
"""What checking an upload may use; 200 MB of CSV take a fraction."""
ATTEMPTS = 3
_NAME = re.compile(r"\w[\w .+=-]{0,99}")
_ID = re.compile(r"data_[0-9a-f]{16}")


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded, and what its owner says of it.

    Attributes
    ----------
    file : Path
        Nobody else's: it is moved.
    name : str
        What the dataset is to be called.
    columns : mapping of role to column, optional
        As for `load_bars`.
    repair : sequence of str
        As for `load_bars`: nothing else is changed.
    """

    file: Path
    name: str
    columns: Mapping[str, Any] | None = None
    repair: Sequence[str] = ()


@dataclass(frozen=True)
class DatasetLimits:
    """How many datasets a user may have whose quota does not say, and of which size in all."""

    datasets: int | None = 100
    dataset_bytes: int | None = 2 * 2**30


def add_dataset(
    store: Store,
    owner: str,
    upload: Upload,
    *,
    limits: DatasetLimits = DatasetLimits(),  # frozen
    confinement: Confinement = LIMITS,
    turn: AbstractContextManager[object] | None = None,
) -> DatasetRecord:
    """Check an upload and store it as a dataset; `turn` as of `run_confined`.

    Raises
    ------
    DatasetError
        When it cannot be used as it is: all that is wrong with it, with row numbers.
    DuplicateError
        When the owner has a dataset of this name.
    QuotaError
        When the owner would have more than may be.
    """
    name = checked_name(upload.name)
    repair = parse_repairs(upload.repair)
    quota = store.accounts.quota(owner)
    most = limits.datasets if quota.datasets is None else quota.datasets
    most_bytes = limits.dataset_bytes if quota.dataset_bytes is None else quota.dataset_bytes
    _refuse_early(store, owner, name, most)
    with tempfile.TemporaryDirectory(prefix="so-dataset-") as folder:
        target = Path(folder) / "bars.parquet"
        request = {
            "file": str(upload.file.resolve()),
            "name": name,
            "columns": upload.columns,
            "repair": list(repair),
            "target": str(target),
        }
        found = _checked(request, confinement, turn)
        content = _content(target, found["preview"])
        for attempt in range(1, ATTEMPTS + 1):
            try:
                store.datasets.put_content(found["digest"], content)
                return store.datasets.add(
                    owner,
                    name,
                    digest=found["digest"],
                    size=content.size,
                    details=found["details"],
                    most=most,
                    most_bytes=most_bytes,
                )
            except NotStoredError:  # somebody has just removed the last dataset that had the same content
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError


def checked_name(name: str) -> str:
    """Return a name that a dataset may have.

    Raises
    ------
    DatasetError

    >>> checked_name(" EURUSD 1h ")
    'EURUSD 1h'
    """
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"{clean(name, 100)!r} is no name for a dataset; expected up to 100 letters, digits, spaces and . _ + = -"
        )
    if name in SAMPLES:
        raise DatasetError(f"{name!r} is the name of a sample; choose another one")
    if is_id(name):
        raise DatasetError(f"{name!r} looks like the id of a dataset; choose another name")
    return name


def _refuse_early(store: Store, owner: str, name: str, most: int | None) -> None:
    """Refuse before the work what is refused after it anyway."""
    if store.datasets.find(owner, name) is not None:
        raise DuplicateError(
            f"you have a dataset {name!r} already; delete or rename it, or choose another name"
        )
    used = store.accounts.usage(owner).datasets
    if most is not None and used >= most:
        raise QuotaError(
            f"you have {used} of at most {most} datasets; delete one that is not needed",
            quota="datasets",
            limit=most,
            used=used,
        )


def _checked(
    request: Mapping[str, Any], confinement: Confinement, turn: AbstractContextManager[object] | None
) -> dict[str, Any]:
    check = "strategy_optimizer.catalogue.dataset_check:check_upload"
    outcome = run_confined(check, request, confinement, turn=turn)
    if outcome.failure is not None:
        raise DatasetError(
            f"{request['name']} cannot be read: the process that checked it {clean(outcome.message, 300)}; "
            "expected a CSV or Parquet file of bars that is no larger than it looks"
        )
    found: dict[str, Any] = outcome.value
    if "problem" in found:
        raise DatasetError(
            clean(found["problem"], 20_000), rows=found.get("rows", ()), problems=found["problems"]
        )
    return found


def _content(file: Path, preview: Any) -> NewContent:
    sha = hashlib.sha256()
    for chunk in _chunks(file):
        sha.update(chunk)
    return NewContent(sha.hexdigest(), file.stat().st_size, partial(_chunks, file), preview)


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk


# -- finding and removing -------------------------------------------------------------------------------------


def is_id(text: str) -> bool:
    """Return whether a text is the id of a dataset, which no name can be.

    >>> is_id("data_4f1c2a90b7d3e865"), is_id("prices")
    (True, False)
    """
    return _ID.fullmatch(text) is not None


def find_dataset(store: Store, owner: str, name_or_id: str) -> DatasetRecord:
    """Return an owner's dataset; somebody else's does not exist.

    Raises
    ------
    NotStoredError
    """
    if is_id(name_or_id):
        return store.datasets.get(name_or_id, owner=owner)
    found = store.datasets.find(owner, clean(name_or_id, 200))
    if found is None:
        raise NotStoredError(
            f"there is no dataset {clean(name_or_id, 100)!r}; samples are {', '.join(SAMPLES)}"
        )
    return found


def remove_dataset(store: Store, dataset: DatasetRecord) -> None:
    """Remove a dataset.

    Raises
    ------
    DatasetInUseError
        When a task that has not ended, or a schedule that is on, uses it.
    """
    tasks = [task.id for task in _unfinished(store, dataset.owner) if _uses(task, dataset)]
    if tasks:
        shown = ", ".join(tasks[:5]) + (f" and {len(tasks) - 5} more" if len(tasks) > 5 else "")
        raise DatasetInUseError(
            f"the dataset {dataset.name!r} is used by {shown}; wait until they have ended, or cancel them",
            tasks=tasks,
        )
    schedules = [
        schedule.id
        for schedule in store.schedules.all(owner=dataset.owner)
        if schedule.enabled and schedule.dataset in (dataset.id, dataset.name)
    ]
    if schedules:
        raise DatasetInUseError(
            f"the dataset {dataset.name!r} is used by the schedule {schedules[0]}; switch it off or delete it",
            schedules=schedules,
        )
    store.datasets.remove(dataset.id)


def _unfinished(store: Store, owner: str) -> Iterator[TaskRecord]:
    page: list[TaskRecord] = []
    while True:
        page = store.tasks.page(
            owner=owner,
            states=("queued", "running", "paused"),
            before=Place(page[-1].created, page[-1].id) if page else None,
            limit=200,
        )
        yield from page
        if len(page) < 200:
            return


def _uses(task: TaskRecord, dataset: DatasetRecord) -> bool:
    pinned = task.document.get("data_digest")
    named = (task.document.get("task") or {}).get("data")
    return pinned == dataset.digest or (pinned is None and named in (dataset.id, dataset.name))
