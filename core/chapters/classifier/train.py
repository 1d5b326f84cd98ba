"""Digit classifier: a small convolutional network.

The shipped runs, selected on validation images only, are those of README's table of commands.
"""

from __future__ import annotations

from core.data import load
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.task import ClassifierTask
from core.runs.recorder import Recorder
from core.training.loop import fit, shown_epochs


def train(config: ClassifierConfig, recorder: Recorder) -> str:
    """Train into the recorder's run and return how it ended (see ``core.training.loop.fit``)."""
    task = ClassifierTask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    keep = shown_epochs(config.epochs)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=keep, grid_epochs=())
