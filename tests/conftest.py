"""For all tests: threads and workers, a fresh runs folder, and tiny runs made without torch."""

import os
import shutil
import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from core.registry import EXPERIMENTS
from core.runs.files import write_csv
from core.runs.recorder import Recorder
from core.runs.store import Run, RunStore
from core.training.session import new_run
from tests import trained

# a busy machine is no failure: examples are counted, not timed
settings.register_profile("atlas", deadline=None)
settings.load_profile("atlas")


def pytest_configure(config):
    """One thread a process, and one folder for what the session's workers train: all of it goes by the environment.

    Networks this small gain nothing from more threads, and beside each other they wait for cores. The limit holds for
    this process, where torch is not imported yet, for its workers and for what the tests start.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if not hasattr(config, "workerinput"):  # the session itself, not one of its workers
        os.environ[trained.FOLDER] = tempfile.mkdtemp(prefix="trained-")


def pytest_unconfigure(config):
    """Delete what the session has trained."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(trained.FOLDER), ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With ``-n``: a file's tests stay together, so what they share is made once, and the browser's files come first.

    Handing out the files with the most tests first, the default, would leave the few long ones to one worker's end.
    """
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


DATA = {
    "name": "mnist-5k",
    "source": "made up for a test",
    "splits": {"train": {"size": 4000, "digest": "0" * 64}, "validation": {"size": 1000, "digest": "1" * 64}},
}


def fake_history(epochs, columns=("loss",)):
    """Return a falling history: every column has training and validation, validation a little higher."""
    epoch = np.arange(1, epochs + 1)
    frame = pd.DataFrame({"epoch": epoch, "step": epoch * 32})
    for name in columns:
        frame[f"train_{name}"] = 1.0 / epoch + 0.1
        frame[f"validation_{name}"] = 1.0 / epoch + 0.125
    frame["elapsed_s"] = epoch * 2.0
    return frame


def fake_grid(seed, rows=2, columns=5):
    """Return seeded noise as a grid of small images, uint8 (rows, columns, 28, 28): no real digit."""
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 28, 28), dtype=np.uint8)


def make_run(
    store,
    experiment="vae",
    name="tiny",
    *,
    epochs=3,
    status="finished",
    metrics=None,
    tables=None,
    history=None,
    grids=("samples",),
    **meta,
):
    """Make a whole run folder without torch: history, grids per epoch, tables, metrics; return the Run."""
    kind = EXPERIMENTS[experiment].config
    config = kind(epochs=epochs) if kind.option("data").default == "parabola" else kind(epochs=epochs, data="mnist-5k")
    run = new_run(store, experiment, config, name)
    recorder = Recorder(run)
    write_csv(run.path / "history.csv", fake_history(epochs) if history is None else history)
    for kind_of_grid in grids:
        for epoch in range(1, epochs + 1):
            recorder.grid(epoch, fake_grid(epoch), kind_of_grid)
    for table, frame in (tables or {}).items():
        recorder.table(table, frame)
    headline = EXPERIMENTS[experiment].headline.replace("test_", "validation_")  # mnist-5k has no test images
    found = {headline: 0.5} if metrics is None else metrics
    recorder.update(
        status=status,
        data=DATA,
        device="cpu, 2 threads",
        epochs_done=epochs,
        elapsed_s=2.0 * epochs,
        metrics=found if status == "finished" else {},
        **meta,
    )
    return Run.read(run.path, run.origin)


@pytest.fixture
def runs_root(tmp_path, monkeypatch):
    """A fresh folder for the reader's own runs, named by EPOCH_ATLAS_RUNS."""
    root = tmp_path / "runs"
    root.mkdir()
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(root))
    return root


@pytest.fixture
def store(runs_root):
    """The run store over that folder (and the shipped runs)."""
    return RunStore(own=runs_root)


@pytest.fixture
def tiny_run(store):
    """A function that makes tiny runs of any experiment: see :func:`make_run`."""

    def make(experiment="vae", name="tiny", **options):
        return make_run(store, experiment, name, **options)

    return make


def break_run(run, what="json"):
    """Damage a run: ``json`` (run.json is cut), ``history`` (text in it), ``grid`` (a PNG that is none)."""
    if what == "json":
        (run.path / "run.json").write_text('{"schema": 1, ')
    elif what == "history":
        (run.path / "history.csv").write_text("epoch,step,elapsed_s\none,two,three\n")
    else:
        (run.path / "samples" / "1.png").write_bytes(b"no picture")
