"""The store: tasks, their queue, events, trials and results, on SQLite or PostgreSQL. Only this layer speaks SQL.

The names are loaded when they are first used: what needs no trials does not load the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strategy_optimizer.lazy import lazy_names

_HOMES = {
    "maintenance": ("Removed", "Retention"),
    "listing": (
        "Listing",
        "Page",
        "Place",
    ),
    "task_records": (
        "TASK_MEMORY",
        "CheckpointRecord",
        "Creation",
        "EventRecord",
        "Heartbeat",
        "Lease",
        "LedgerRecord",
        "NewEvent",
        "NewTask",
        "OldLedgerEntry",
        "ResultRecord",
        "TaskRecord",
        "TaskSort",
    ),
    "account_records": (
        "ApiKeyRecord",
        "AuditRecord",
        "KeyHolder",
        "Quota",
        "SessionHolder",
        "SessionRecord",
        "TicketRecord",
        "Usage",
        "UserRecord",
    ),
    "catalogue_records": (
        "DatasetRecord",
        "DeliveryRecord",
        "NewSchedule",
        "NewStrategyVersion",
        "ParameterSpaceRecord",
        "ScheduleRecord",
        "StrategyRecord",
        "StrategyVersionRecord",
        "WebhookRecord",
    ),
    "states": ("ENDED", "FOLLOWERS", "STATES", "TaskState"),
    "store": ("Store",),
    "trial_chunk": ("CHUNK_ROWS", "TrialChunk"),
    "trial_layout": ("TrialLayout",),
    "score_curve": ("ScoreCurve",),
    "trial_store": ("ChunkSummary",),
}

if TYPE_CHECKING:
    from strategy_optimizer.storage.account_records import (
        ApiKeyRecord,
        AuditRecord,
        KeyHolder,
        Quota,
        SessionHolder,
        SessionRecord,
        TicketRecord,
        Usage,
        UserRecord,
    )
    from strategy_optimizer.storage.catalogue_records import (
        DatasetRecord,
        DeliveryRecord,
        NewSchedule,
        NewStrategyVersion,
        ParameterSpaceRecord,
        ScheduleRecord,
        StrategyRecord,
        StrategyVersionRecord,
        WebhookRecord,
    )
    from strategy_optimizer.storage.listing import Listing, Page, Place
    from strategy_optimizer.storage.maintenance import Removed, Retention
    from strategy_optimizer.storage.score_curve import ScoreCurve
    from strategy_optimizer.storage.states import ENDED, FOLLOWERS, STATES, TaskState
    from strategy_optimizer.storage.store import Store
    from strategy_optimizer.storage.task_records import (
        TASK_MEMORY,
        CheckpointRecord,
        Creation,
        EventRecord,
        Heartbeat,
        Lease,
        LedgerRecord,
        NewEvent,
        NewTask,
        OldLedgerEntry,
        ResultRecord,
        TaskRecord,
        TaskSort,
    )
    from strategy_optimizer.storage.trial_chunk import CHUNK_ROWS, TrialChunk
    from strategy_optimizer.storage.trial_layout import TrialLayout
    from strategy_optimizer.storage.trial_store import ChunkSummary

__all__ = [
    "CHUNK_ROWS",
    "ENDED",
    "FOLLOWERS",
    "STATES",
    "TASK_MEMORY",
    "ApiKeyRecord",
    "AuditRecord",
    "CheckpointRecord",
    "ChunkSummary",
    "Creation",
    "DatasetRecord",
    "DeliveryRecord",
    "EventRecord",
    "Heartbeat",
    "KeyHolder",
    "Lease",
    "LedgerRecord",
    "Listing",
    "NewEvent",
    "NewSchedule",
    "NewStrategyVersion",
    "NewTask",
    "OldLedgerEntry",
    "Page",
    "ParameterSpaceRecord",
    "Place",
    "Quota",
    "Removed",
    "ResultRecord",
    "Retention",
    "ScheduleRecord",
    "ScoreCurve",
    "SessionHolder",
    "SessionRecord",
    "Store",
    "StrategyRecord",
    "StrategyVersionRecord",
    "TaskRecord",
    "TaskSort",
    "TaskState",
    "TicketRecord",
    "TrialChunk",
    "TrialLayout",
    "Usage",
    "UserRecord",
    "WebhookRecord",
]

__getattr__ = lazy_names(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)
