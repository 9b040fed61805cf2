"""The ledger of a search: which points were asked, which are out, and what was told about the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from strategy_optimizer.errors import OptimizerStateError
from strategy_optimizer.optimizer.history import (
    FloatArray,
    IntArray,
    KeyArray,
    Outcomes,
    PendingPoints,
    Told,
    TrialLog,
    TriedPoints,
)
from strategy_optimizer.optimizer.pareto.archive import ParetoArchive
from strategy_optimizer.optimizer.pareto.choice import knee_point
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace

_SAVED_COLUMNS = ("points", "scores", "std_errors", "seconds", "constraints")


class Ledger:
    """Book-keeping that all optimizers share.

    Parameters
    ----------
    space : ParameterSpace
        Where the points come from.
    width : int
        Columns of a row: the parameters and the algorithm's notes.
    repeats : int
        Trials one point may have.
    n_objectives : int
        Scores per trial.
    """

    def __init__(self, space: ParameterSpace, width: int, repeats: int, n_objectives: int = 1) -> None:
        self._space = space
        self._repeats = repeats
        self._best: tuple[int, int | None] = (0, None)  # trials told when it was looked up, row
        self._n_objectives = n_objectives
        self._front: tuple[int, IntArray] = (0, np.empty(0, np.int64))  # trials told then, rows
        self._archive = ParetoArchive(n_objectives)
        self._n_archived = 0  # trials of the log that the archive has seen
        self.log = TrialLog(space.n_dims, n_objectives)
        self.pending = PendingPoints(width)
        self.tried = TriedPoints(repeats)
        self.n_asked = 0

    def issue(self, rows: FloatArray, keys: list[int]) -> None:
        """Note rows as asked; :attr:`tried` has counted them already."""
        self.pending.add(keys, rows, np.arange(self.n_asked, self.n_asked + len(rows)))
        self.n_asked += len(rows)

    def settle(self, points: FloatArray, keys: KeyArray, outcomes: Outcomes) -> Told:
        """Log trials and return them with their rows; those never asked have NaN rows and ticket -1."""
        violations = self.log.append(points, keys, outcomes)
        key_list = keys.tolist()
        rows, tickets = self.pending.take(key_list)
        self.tried.count(key_list[index] for index in np.flatnonzero(tickets < 0).tolist())
        self.tried.use_up(key_list[index] for index in np.flatnonzero(outcomes.failed).tolist())
        return Told(rows, outcomes.scores, violations, tickets)

    # -- the winner

    @property
    def best_row(self) -> int | None:
        """Row of the log that wins; None before a trial completed feasibly.

        The first told of equals; with several objectives the knee of the front.
        """
        if self._best[0] != len(self.log):
            self._best = (len(self.log), self._winner())
        return self._best[1]

    def _winner(self) -> int | None:
        scores = self.competing_scores()
        if scores.ndim == 1:
            row = int(np.argmax(scores))
            return row if math.isfinite(scores[row]) else None
        rows = self.front_rows
        return int(rows[knee_point(scores[rows])]) if len(rows) else None

    @property
    def front_rows(self) -> IntArray:
        """Rows of the log which no other completed, feasible one beats, (n,), one per point.

        The best in the first objective comes first, of equals the best in the second, and so on.
        """
        if self._front[0] != len(self.log):
            self._front = (len(self.log), self._find_front())
        return self._front[1]

    def _find_front(self) -> IntArray:
        if self.tried.any_repeated:
            archive = ParetoArchive(self._n_objectives)
            rows = np.sort(np.unique(self.log.keys, return_index=True)[1])
            _add_winning(archive, self.competing_scores()[rows], rows)
        else:
            archive, start = self._archive, self._n_archived
            _add_winning(archive, self.log.winning_since(start), np.arange(start, len(self.log)))
            self._n_archived = len(self.log)
        order = np.lexsort((self.log.keys[archive.labels], *-archive.scores.T[::-1]))
        return archive.labels[order]

    def competing_scores(self) -> FloatArray:
        """Return the scores that compete, (n,) or (n, m): means of repeated points, -inf where one failed."""
        scores = self.log.winning_scores
        if not self.tried.any_repeated:
            return scores
        means, index = self._means(scores)
        return means[index]

    def mean_scores(self, keys: KeyArray) -> FloatArray:
        """Return the mean scores of told points by key, (n,) or (n, m); -inf where one of the trials failed."""
        scores = np.where(np.isnan(self.log.scores), -np.inf, self.log.scores)
        means, index = self._means(scores)
        order = np.argsort(self.log.keys, kind="stable")
        return means[index[order[np.searchsorted(self.log.keys, keys, sorter=order)]]]

    def _means(self, scores: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the mean scores of each distinct point and which of them each trial is of."""
        _, index, counts = np.unique(self.log.keys, return_inverse=True, return_counts=True)
        if scores.ndim == 2:
            return np.stack([_group_means(column, index, counts) for column in scores.T], axis=1), index
        return _group_means(scores, index, counts), index

    # -- state

    def save(self, history: bool) -> dict[str, Any]:
        """Return JSON values; `history` False leaves the log out."""
        keys, rows, tickets = self.pending.export()
        return {
            "n_asked": self.n_asked,
            "pending": [encode_array(column) for column in (keys, rows, tickets)],
            "n_told": len(self.log),
            "fingerprint": _fingerprint(self.log.keys),
            "unconstrained": encode_array(self.log.unconstrained),
            "history": self._save_log() if history else None,
        }

    def _save_log(self) -> dict[str, Any]:
        columns = {name: getattr(self.log, name) for name in _SAVED_COLUMNS}
        return {name: None if column is None else encode_array(column) for name, column in columns.items()}

    def load(self, data: Mapping[str, Any], history: tuple[FloatArray, Outcomes] | None) -> None:
        """Take back what :meth:`save` returned; `history` has the told points when they were left out."""
        if data["history"] is not None:
            self._load_log(*_decoded_log(data["history"]))
        elif history is not None:
            self._load_log(*history)
        self._check_history(data)
        self.log.excuse(decode_array(data["unconstrained"]))
        keys, rows, tickets = (decode_array(column) for column in data["pending"])
        self.pending.add(keys.tolist(), rows, tickets)
        self.tried.count(keys.tolist())
        self.n_asked = int(data["n_asked"])

    def _load_log(self, points: FloatArray, outcomes: Outcomes) -> None:
        if len(points):
            self.settle(points, self._space.keys(points), outcomes)

    def _check_history(self, data: Mapping[str, Any]) -> None:
        n_given, n_expected = len(self.log), data["n_told"]
        if n_given != n_expected or _fingerprint(self.log.keys) != data["fingerprint"]:
            raise OptimizerStateError(
                f"the state was written after {n_expected} told trials, but the history given has {n_given}"
                f"{' others' if n_given == n_expected else ''}; pass exactly the trials told before the "
                "state was written, as history=(points, scores)"
            )


def _add_winning(archive: ParetoArchive, scores: FloatArray, rows: IntArray) -> None:
    """Let the rows whose scores, (n,) or (n, m), may win compete for the archive."""
    table = scores.reshape(len(rows), -1)
    winning = np.isfinite(table[:, 0])
    archive.add(table[winning], rows[winning])


def _group_means(scores: FloatArray, index: IntArray, counts: IntArray) -> FloatArray:
    # Sorted by score first, so that the sums do not depend on the order of telling.
    order = np.argsort(scores, kind="stable")
    means: FloatArray = np.bincount(index[order], scores[order], minlength=len(counts)) / counts
    return means


def _decoded_log(data: Mapping[str, Any]) -> tuple[FloatArray, Outcomes]:
    columns = {name: None if data[name] is None else decode_array(data[name]) for name in _SAVED_COLUMNS}
    points, scores = columns["points"], columns["scores"]
    if points is None or scores is None:
        raise OptimizerStateError("the state's history has no points or scores; it is damaged")
    outcomes = Outcomes(scores, columns["constraints"], columns["std_errors"], columns["seconds"])
    return points, outcomes


def _fingerprint(keys: KeyArray) -> str:
    """Return an order-free hash of told points."""
    return f"{int(np.add.reduce(keys, dtype=np.uint64)):016x}"
