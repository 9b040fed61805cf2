"""The trial ledger: every trial that was ever made on the same data, and how often held-out bars were looked at."""

from strategy_optimizer.validation.ledger.earlier import (
    LEFT_OUT,
    Earlier,
    compare,
    record,
    saw,
    unreadable_note,
)
from strategy_optimizer.validation.ledger.encoding import UnreadableError, decode, encode
from strategy_optimizer.validation.ledger.entry import (
    SKETCHED,
    Entry,
    Sketch,
    Trials,
    continued,
    joined,
    one_each,
)
from strategy_optimizer.validation.ledger.folder import Ledger
from strategy_optimizer.validation.ledger.keeping import Reading, TrialLedger
from strategy_optimizer.validation.ledger.keys import KeySet, count_beyond, union
from strategy_optimizer.validation.ledger.months import Months, months_of
from strategy_optimizer.validation.ledger.recording import (
    engine_entry_of,
    entry_of,
    trials_of,
    walk_forward_entry,
)
from strategy_optimizer.validation.ledger.related import Related, related_trials
from strategy_optimizer.validation.ledger.spread import SharpeSpread, pooled

__all__ = [
    "LEFT_OUT",
    "SKETCHED",
    "Earlier",
    "Entry",
    "KeySet",
    "Ledger",
    "Months",
    "Reading",
    "Related",
    "SharpeSpread",
    "Sketch",
    "TrialLedger",
    "Trials",
    "UnreadableError",
    "compare",
    "continued",
    "count_beyond",
    "decode",
    "encode",
    "engine_entry_of",
    "entry_of",
    "joined",
    "months_of",
    "one_each",
    "pooled",
    "record",
    "related_trials",
    "saw",
    "trials_of",
    "union",
    "unreadable_note",
    "walk_forward_entry",
]
