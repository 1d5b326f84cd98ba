"""What a classifier says of one image, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.families.classifiers import measures
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.task import MODEL, build, logits_of, weights_at
from core.runs.store import Run
from core.training.weights import load_weights


def answer(run: Run, image: NDArray[np.uint8], epochs: Sequence[int]) -> pd.DataFrame:
    """Return what the model says of one image after each of some epochs.

    Parameters
    ----------
    run
        A run of this experiment.
    image
        uint8, shape (28, 28).
    epochs
        Epochs with a snapshot, or the last one.

    Returns
    -------
    DataFrame
        Columns ``epoch, label, probability``; probabilities of an epoch sum to 1.
    """
    config = run.config_as(ClassifierConfig)
    modules = build(config)
    rows = []
    for epoch in epochs:
        load_weights(run, modules, weights_at(run, epoch))
        chances = np.exp(measures.log_softmax(logits_of(modules[MODEL], image[None], mirrored=config.flip)))[0]
        rows += [{"epoch": epoch, "label": label, "probability": float(p)} for label, p in enumerate(chances)]
    return pd.DataFrame(rows)
