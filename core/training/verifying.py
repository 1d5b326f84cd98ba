"""Verifying runs: recomputing their metrics from what is stored, and reading every file of theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.data import DATASETS, availability
from core.errors import RunError
from core.options import Config
from core.registry import experiment
from core.runs.contents import check_contents
from core.runs.store import Run, remedy

ROUNDING = 1e-9  # of sums of numbers that are equal
COMPARED_SPLITS = ("validation", "test")  # the training split may differ in the faintest ink between sources


@dataclass(frozen=True)
class Comparison:
    """One metric as it is stored and as it came out now; None where one side lacks it."""

    metric: str
    stored: float | None
    recomputed: float | None
    tolerance: float

    @property
    def difference(self) -> float | None:
        """Recomputed less stored."""
        return None if self.stored is None or self.recomputed is None else self.recomputed - self.stored

    @property
    def agrees(self) -> bool:
        """Whether both are there and differ by no more than the tolerance."""
        return self.difference is not None and abs(self.difference) <= self.tolerance

    @property
    def verdict(self) -> str:
        """``agrees``, or what is wrong."""
        if self.stored is None:
            return "not stored"
        if self.recomputed is None:
            return "not recomputed"
        return "agrees" if self.agrees else "DIFFERS"

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values, ready for strict JSON."""
        numbers = {"stored": self.stored, "recomputed": self.recomputed, "difference": self.difference}
        finite = {name: v if v is not None and math.isfinite(v) else None for name, v in numbers.items()}
        return {**finite, "tolerance": self.tolerance, "agrees": self.agrees}


def missing_data(config: Config) -> str | None:
    """Return what availability says of a config's data set if it is not on this machine, else None."""
    if config.data not in DATASETS:  # computed, as 2-D points are
        return None
    there = availability(config.data)
    return None if there.ready else there.message


@dataclass(frozen=True)
class Within:
    """A tolerance that is the smaller of an absolute one and a share of the stored value."""

    absolute: float
    share: float

    def of(self, stored: float | None) -> float:
        """Return the tolerance of a metric with that stored value."""
        return min(self.absolute, self.share * abs(stored or 0.0)) + ROUNDING


Tolerances = Mapping[str, float | Within]


def tolerance_of(tolerances: Tolerances, metric: str, stored: float | None) -> float:
    """Return by how much a metric may differ from what is stored: its own tolerance, or that named ``""``."""
    found = tolerances.get(metric, tolerances[""])
    return found.of(stored) if isinstance(found, Within) else found


def compare(run: Run, device: str = "cpu", *, quick: bool = False) -> list[Comparison]:
    """Recompute a run's metrics from its weights and the data, and set them beside the stored ones.

    ``quick`` is for checking many runs at once: an experiment whose evaluation takes long may have a function
    ``verify`` beside ``evaluate`` that recomputes a stated part of it and takes the rest from the stored tables.

    Raises
    ------
    RunError
        If the run was evaluated on other images than this machine has, or one of its files does not read.
    """
    _check_digests(run)
    module = experiment(run.experiment).part("evaluate")
    tolerances: Tolerances = module.TOLERANCES
    recompute = getattr(module, "verify", module.evaluate) if quick else module.evaluate
    recomputed = {name: float(value) for name, value in recompute(run, device).metrics.items()}
    return [
        Comparison(name, stored, recomputed.get(name), tolerance_of(tolerances, name, stored))
        for name in {**run.metrics, **recomputed}
        for stored in [run.metrics.get(name)]
    ]


def _check_digests(run: Run) -> None:
    """Raise RunError where the held-out images that a run names are not this version's."""
    name = run.config.data
    if name not in DATASETS:
        return
    for split in COMPARED_SPLITS:
        stored, expected = run.record.data.splits.get(split), DATASETS[name].digests.get(split)
        if stored and stored.digest and expected and stored.digest != expected:
            what = f"it was evaluated on other {split} images of {name} than this version holds"
            raise run.broken("run.json", what)


def read_whole(run: Run) -> None:
    """Read every file that a run's readers may ask for; RunError naming the first that does not read.

    Where the run has recorded its files, they must be exactly those, unchanged.
    """
    from core.training.weights import load_tensors

    if run.status != "finished":
        raise RunError(f"{run.id} is {run.status}, not finished", "Train it to its end")
    if run.record.files:
        check_contents(run.path, run.record.files, remedy(run.origin))
    run.history()
    for name in run.tables():
        run.table(name)
    for folder in sorted(path.name for path in run.path.iterdir() if path.is_dir()):
        if any((run.path / folder).glob("*.png")):
            for epoch in run.sample_epochs(folder):
                run.sample(epoch, folder)
    for file in sorted(run.path.rglob("*.safetensors")):
        if not file.name.startswith("resume"):
            load_tensors(file)
