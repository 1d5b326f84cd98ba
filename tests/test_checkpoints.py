"""What ships: light, whole, and the run's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from core import settings
from core.chapters.gan_2d.evaluate import TOLERANCES
from core.runs.contents import digests
from core.runs.store import Run, RunStore
from core.training.verifying import Comparison, tolerance_of

SHIPPED = [run for run in RunStore().list() if run.shipped]
RUN_MB, ALL_MB = 12.0, 120.0  # typically 4 a run


def megabytes(folder: Path) -> float:
    """Size of all files below a folder, in 10**6 bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


each = pytest.mark.parametrize("run", SHIPPED, ids=lambda run: f"{run.experiment}/{run.name}")


@each
def test_a_shipped_run_is_within_its_budget(run: Run):
    assert megabytes(run.path) <= RUN_MB


def test_all_shipped_runs_are_within_their_budget():
    assert megabytes(settings.shipped_root()) <= ALL_MB


@each
def test_a_shipped_run_says_its_whole_config(run: Run):
    assert run.record.defaulted == ()
    assert json.loads((run.path / "run.json").read_text())["config"].keys() == run.config.to_dict().keys()


@each
def test_the_files_of_a_shipped_run_are_those_it_was_published_with(run: Run):
    assert dict(run.record.files) == digests(run.path)


@each
def test_weights_ship_in_half_precision(run: Run):
    for file in [run.path / "weights.safetensors", *(run.path / "snapshots").glob("*.safetensors")]:
        with safe_open(file, "numpy") as tensors:
            kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118 (no mapping)
        assert kinds <= {"F16", "I64"}, file


@pytest.mark.parametrize("run", [run for run in SHIPPED if run.experiment == "gan_2d"], ids=lambda run: run.name)
def test_a_metric_of_a_2d_gan_that_is_two_per_cent_off_is_found_out(run: Run):
    for name, stored in run.metrics.items():
        for off in (0.98 * stored, 1.02 * stored):
            one = Comparison(name, stored, off, tolerance_of(TOLERANCES, name, stored))
            assert one.agrees == (stored == 0.0), (name, one)
