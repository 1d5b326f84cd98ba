"""Evaluation of the classifier chapter: every kept epoch on training, validation and test images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.data import DATASETS, Split, load
from core.data.subsets import every
from core.families.classifiers import tables as classifier_tables
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.task import MODEL, build, logits_of, weights_at
from core.runs.store import Run
from core.training.session import Evaluation
from core.training.weights import load_weights

TRAIN_SAMPLE = 5_000  # training images on which the final weights are measured as they are


# One image of 10,000 is 1e-4: another machine's rounding may tip a few. Training images differ a little between copies
# of MNIST (faintest ink), so what is measured on them may too.
TOLERANCES: dict[str, float] = {
    "": 3e-4,
    "parameters": 0.0,
    "train_accuracy": 1e-3,
    "train_loss": 1e-3,
    "test_loss": 1e-4,
    "validation_loss": 1e-4,
}


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure a run's weights at every kept epoch on training, validation and (where there is one) test images.

    Every measure of a held-out split is named after it, and so is that of the first epoch: ``test_accuracy``,
    ``test_accuracy_epoch_1``, ``test_loss``, ``test_ece``, and the same of ``validation``. ``train_loss`` and
    ``train_accuracy`` are of up to 5,000 training images as they are, seen by the final averaged weights; the history's
    columns of these names are means over an epoch of augmented images and moving weights. A run trained with ``flip``
    is measured on each image together with its mirror image; its history's validation columns are of the image alone.
    """
    return _measured(run, device, _kept(run))


def verify(run: Run, device: str = "cpu") -> Evaluation:
    """Recompute every metric of :func:`evaluate`: those of the first epoch and of the last; no tables."""
    kept = _kept(run)
    return Evaluation(_measured(run, device, [epoch for epoch in kept if epoch in (1, kept[-1])]).metrics)


def _kept(run: Run) -> list[int]:
    return sorted({*run.snapshots(), run.epochs_done})


def _measured(run: Run, device: str, epochs: Sequence[int]) -> Evaluation:
    config = run.config_as(ClassifierConfig)
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    modules = {name: module.to(device) for name, module in build(config).items()}
    tables: dict[str, list[pd.DataFrame]] = {}
    for epoch in epochs:
        load_weights(run, modules, weights_at(run, epoch))
        for name, split in splits.items():
            part = _thinned(split) if name == "train" else split
            logits = logits_of(modules[MODEL], part.images, device, mirrored=config.flip)
            for table, frame in classifier_tables.tables(logits, part.labels).items():
                if name != "train" or table == "measures":
                    tables.setdefault(table, []).append(frame.assign(epoch=epoch, split=name))
    joined = {name: _in_front(pd.concat(parts, ignore_index=True), "epoch", "split") for name, parts in tables.items()}
    metrics = _metrics(joined["measures"], epochs[-1])
    metrics["parameters"] = float(sum(p.numel() for p in modules[MODEL].parameters()))
    return Evaluation(metrics, joined)


def _thinned(split: Split) -> Split:
    """Return 5,000 images, or all if there are fewer, spread over the file, the same every time."""
    chosen = every(len(split), TRAIN_SAMPLE)
    return Split(
        split.name, split.split, split.images[chosen], split.labels[chosen], split.digest, split.indices[chosen]
    )


def _in_front(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    return frame[[*names, *(name for name in frame.columns if name not in names)]]


def _metrics(table: pd.DataFrame, last: int) -> dict[str, float]:
    """Return the run's metrics from the rows ``epoch, split, loss, accuracy, ece``."""
    metrics: dict[str, float] = {}
    for row in table.to_dict("records"):
        split, epoch = row["split"], row["epoch"]
        if epoch == last:
            metrics |= {f"{split}_accuracy": row["accuracy"], f"{split}_loss": row["loss"]}
            metrics |= {} if split == "train" else {f"{split}_ece": row["ece"]}
        if epoch == 1 and split != "train":
            metrics[f"{split}_accuracy_epoch_1"] = row["accuracy"]
    return metrics
