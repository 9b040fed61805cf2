"""Which of many candidates are worth a trial, by what a model predicts, and whether its predictions come true."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_optimizer.optimizer.history import BoolArray, FloatArray
from strategy_optimizer.optimizer.state import decode_array, encode_array

N_BINS = 10  # of the predicted probability


class Calibration:
    """How often trials came true that were predicted to, by predicted probability."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, N_BINS))  # trials, predicted successes, successes
        self.bred = 0  # candidates that were judged
        self.dropped = 0  # of these, predicted hopeless and not run

    def note(self, probabilities: FloatArray, succeeded: BoolArray) -> None:
        """Take in trials: the predicted probabilities of success and the outcomes, (n,)."""
        bins = np.minimum((probabilities * N_BINS).astype(np.int64), N_BINS - 1)
        for row, weights in enumerate((np.ones(len(bins)), probabilities, succeeded.astype(np.float64))):
            self._counts[row] += np.bincount(bins, weights, minlength=N_BINS)

    @property
    def table(self) -> list[dict[str, float]]:
        """For each bin with trials: how many, the mean predicted probability, the share that succeeded."""
        n, predicted, true = self._counts
        return [
            {"trials": int(n[i]), "predicted": float(predicted[i] / n[i]), "observed": float(true[i] / n[i])}
            for i in np.flatnonzero(n)
        ]

    @property
    def error(self) -> float | None:
        """The mean distance of predicted and observed shares, weighted by trials; None before any."""
        n, predicted, true = self._counts
        return float(np.abs(predicted - true).sum() / n.sum()) if n.any() else None

    def save(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"counts": encode_array(self._counts), "bred": self.bred, "dropped": self.dropped}

    def load(self, data: dict[str, Any]) -> None:
        """Take back what :meth:`save` returned."""
        self._counts = decode_array(data["counts"]).copy()
        self.bred, self.dropped = int(data["bred"]), int(data["dropped"])
