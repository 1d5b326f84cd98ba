"""Variational autoencoder: the family's model, as it is."""

from __future__ import annotations

from core.data import load
from core.families.vaes.config import VAEConfig
from core.families.vaes.task import VAETask
from core.runs.recorder import Recorder
from core.training.loop import fit, shown_epochs

SHOWN = (1, 5, 10, 30)  # five times 2.7 MB would be more than a run may weigh


def train(config: VAEConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = VAETask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    keep = shown_epochs(config.epochs, SHOWN)[:-1]  # the last epoch's weights are saved anyway, in full precision
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=keep)
