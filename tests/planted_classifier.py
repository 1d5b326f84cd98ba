"""A finished classifier run on mnist-5k, planted: after epoch e, 20 - 5 e of its nines are read as fours."""

import numpy as np
import pandas as pd
import torch

from core.data import load
from core.families.classifiers.tables import tables
from core.families.classifiers.task import build
from core.runs.store import Run
from core.training.weights import flatten, save_tensors
from tests.conftest import make_run

EPOCHS = (1, 2, 3)


def planted(epoch):
    """Logits of the 1,000 held-out digits: all right but 20 - 5 * epoch nines, read as fours."""
    labels = load("mnist-5k", "validation").labels
    generator = np.random.default_rng(epoch)
    logits = 6.0 * np.eye(10)[labels] + generator.normal(0, 0.3, (len(labels), 10))
    wrong = np.flatnonzero(labels == 9)[: 20 - 5 * epoch]
    logits[wrong] = 6.0 * np.eye(10)[4] + generator.normal(0, 0.3, (len(wrong), 10))
    return logits, labels


def evaluation():
    parts = {}
    for epoch in EPOCHS:
        logits, labels = planted(epoch)
        for split in ("train", "validation"):
            for name, frame in tables(logits, labels).items():
                if split == "validation" or name == "measures":
                    parts.setdefault(name, []).append(frame.assign(epoch=epoch, split=split))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def history():
    accuracy = [0.985, 0.99, 0.995]
    frame = pd.DataFrame({"epoch": EPOCHS, "step": [32, 64, 96], "train_loss": [0.5, 0.3, 0.2]})
    frame["train_accuracy"] = [0.8, 0.9, 0.95]
    frame["validation_loss"], frame["validation_accuracy"] = [0.4, 0.2, 0.1], accuracy
    return frame.assign(elapsed_s=[1.0, 2.0, 3.0])


METRICS = {
    "validation_accuracy": 0.995,
    "validation_accuracy_epoch_1": 0.985,
    "validation_loss": 0.0123,
    "validation_ece": 0.0042,
}


def plant(store, name="tiny"):
    """Make the run, with untrained weights, and return it."""
    made = make_run(store, "classifier", name, history=history(), tables=evaluation(), metrics=METRICS, grids=())
    torch.manual_seed(0)
    weights = flatten(build(made.config))
    save_tensors(made.path / "weights.safetensors", weights)
    for epoch in EPOCHS:
        save_tensors(made.path / f"snapshots/{epoch}.safetensors", weights, half=True)
    return Run.read(made.path)
