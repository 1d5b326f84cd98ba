"""How long a training may take, from the last run that is most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.options import Config
from core.runs.store import Run

FREE = ("epochs", "seed")  # what a run may differ in and still take as long per epoch


@dataclass(frozen=True)
class Estimate:
    """Seconds that a training may take, and what that is judged by."""

    seconds: float
    basis: str


def _settings(config: Config) -> dict[str, object]:
    return {name: value for name, value in config.to_dict().items() if name not in FREE}


def estimate(config: Config, runs: Sequence[Run]) -> Estimate | None:
    """Return how long ``config`` may take by the epochs of an earlier run; None if there is none to go by.

    A run of the same settings is preferred to one of the same data, and the reader's own machine to the shipped
    runs'; among equals the latest counts.
    """
    wanted = _settings(config)
    best: tuple[tuple[bool, bool, datetime], float, str] | None = None
    for run in runs:
        done, took = run.epochs_done, run.record.training_s or run.record.elapsed_s
        had = run.config.to_dict()
        if done < 1 or took <= 0 or had.get("data") != config.data:
            continue
        same = all(had.get(name) == value for name, value in wanted.items())
        rank = (same, not run.shipped, run.record.created)
        if best is None or rank > best[0]:
            machine = "" if not run.shipped else ", on the machine it was trained on"
            settings = "the same settings" if same else "the same data, other settings"
            best = (rank, took / done, f"by {run.name}: {settings}{machine}")
    return None if best is None else Estimate(best[1] * config.epochs, best[2])
