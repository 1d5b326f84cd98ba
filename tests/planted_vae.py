"""A finished VAE run on mnist-5k, planted: its numbers are made up and its weights untrained, its files are real."""

import numpy as np
import pandas as pd
import torch

from core.data import DATASETS, load
from core.data.subsets import one_of_each
from core.families.vaes.config import VAEConfig
from core.families.vaes.tables import measures, per_class
from core.families.vaes.task import build
from core.runs.recorder import Recorder
from core.runs.store import Run
from core.training.session import new_run
from core.training.weights import flatten, save_tensors
from tests.conftest import DATA, fake_grid

EPOCHS = (1, 2, 3)
KINDS = ("samples", "reconstructions-validation", "reconstructions-train")
METRICS = {"train_loss": 48.0, "validation_loss": 50.25, "overfit_gap": 2.25, "used_dimensions": 2.0}


def history():
    """Validation loss falls, then rises by 1 nat in the last epoch; dimension 1 of 3 is never used."""
    frame = pd.DataFrame({"epoch": EPOCHS, "step": [20, 40, 60]})
    for split, loss in (("train", [60.0, 51.0, 48.0]), ("validation", [58.0, 49.25, 50.25])):
        frame[f"{split}_loss"] = loss
        frame[f"{split}_kl"] = [10.0, 20.0, 22.0]
        frame[f"{split}_reconstruction"] = frame[f"{split}_loss"] - frame[f"{split}_kl"]
    return frame.assign(kl_0=[4.0, 8.0, 9.0], kl_1=0.001, kl_2=[6.0, 12.0, 13.0], elapsed_s=[1.0, 2.0, 3.0])


def tables(held_out="validation"):
    """Tables of epochs 1 and 3, validation costing 0.5 nats more than training after the first, 2.25 after the last."""
    parts = {"measures": [], "per_class": [], "latent_map": []}
    labels = load("mnist-5k", "validation").labels
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, len(labels))
    for epoch, train, gap in ((1, 57.5, 0.5), (3, 48.0, 2.25)):
        for split, level in {"train": train, "validation": train + gap, held_out: train + gap}.items():
            wobble = np.tile([-0.1, 0.1], len(labels) // 2)
            rows = {
                "measures": measures(level - 22 + wobble, np.full(len(labels), 22.0)),
                "per_class": per_class(level - 22 + wobble, np.full(len(labels), 22.0), labels),
            }
            for name, frame in rows.items():
                parts[name].append(frame.assign(epoch=epoch, split=split))
        neighbour = np.where(np.arange(len(labels)) % 50 == 0, (labels + 1) % 10, labels)
        place = {"x": np.cos(angle), "y": np.sin(angle)}
        columns = {"epoch": epoch, "index": np.arange(len(labels)), "label": labels, **place, "loss": train}
        parts["latent_map"].append(pd.DataFrame({**columns, "neighbour": neighbour})[::10])
    shown = {f"{split}_index": one_of_each(load("mnist-5k", split).labels) for split in ("validation", "train")}
    return {**{name: pd.concat(frames) for name, frames in parts.items()}, "shown": pd.DataFrame(shown)}


def plant(store, name="tiny", *, evaluated=True, weights=True, **config):
    """Make the run and return it; without ``evaluated`` it is one that was stopped."""
    kind = VAEConfig(**{"data": "mnist-5k", "epochs": 3, "latent_dim": 3, "width": 16, "depth": 1, **config})
    run = new_run(store, "vae", kind, name)
    recorder = Recorder(run)
    recorder.rows = history().to_dict("records")
    recorder.write_history()
    for number, kind_of_grid in enumerate(KINDS):
        for epoch in EPOCHS:
            recorder.grid(epoch, fake_grid(10 * epoch + number, rows=1, columns=10), kind_of_grid)
    if weights:
        torch.manual_seed(0)
        tensors = flatten(build(kind))
        save_tensors(run.path / "weights.safetensors", tensors)
        save_tensors(run.path / "snapshots/1.safetensors", tensors, half=True)
    if evaluated:
        for table, frame in tables(DATASETS[kind.data].held_out_split).items():
            recorder.table(table, frame)
    ended = {"status": "finished", "metrics": METRICS} if evaluated else {"status": "stopped"}
    recorder.update(data=DATA, device="cpu, 2 threads", epochs_done=3, elapsed_s=3.0, **ended)
    return Run.read(run.path, run.origin)
