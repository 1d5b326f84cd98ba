"""Digit classifier: a small convolutional network, trained with shifts and averaged weights.

What is validated, saved and shown is the average of the weights over recent steps; the weights that the optimiser
moves are kept only to continue a training.

The shipped runs, selected on validation images only::

    python -m core train classifier --name mnist
    python -m core train classifier --name fashion-mnist --data fashion-mnist --set epochs=30 width=32
        flip=true erase=8 averaging=0.999 weight_decay=0.02
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.configs import ClassifierConfig
from core.data import DATASETS, Split, load
from core.data.images import as_tensor, preprocess
from core.metrics import classification as measures
from core.metrics import classifier_tables
from core.models.classifier import Classifier
from core.training.averaging import average_into, decay_at
from core.training.loop import IndexBatches, Task, evaluating, fit, seeded, shown_epochs
from core.training.recorder import Recorder
from core.training.runs import Run
from core.training.schedules import set_rate, warmup_cosine
from core.training.session import Evaluation
from core.training.weights import load_weights

EVALUATED_AT_ONCE = 500  # images
TRAIN_SAMPLE = 5_000  # training images on which the final weights are measured as they are
MODEL = "classifier"

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


def build(config: ClassifierConfig) -> dict[str, nn.Module]:
    """Return the module that a run's weights fit."""
    return {MODEL: Classifier(config.width, config.dropout)}


def augment(images: Tensor, config: ClassifierConfig, generator: torch.Generator) -> Tensor:
    """Return randomly shifted, mirrored and partly erased images, each image its own way.

    Parameters
    ----------
    images
        uint8, shape (n, 28, 28); left untouched.
    config
        ``shift``, ``flip`` and ``erase`` say what is done.
    generator
        A CPU generator, whatever the images' device: a run is then the same on every device.

    Returns
    -------
    Tensor
        uint8, shape (n, 28, 28).
    """
    n, side = len(images), images.shape[-1]

    def draw(high: int, *shape: int) -> Tensor:
        return torch.randint(high, (n, *shape), generator=generator).to(images.device)

    if config.shift:
        padded = F.pad(images, (config.shift,) * 4)
        windows = padded.unfold(1, side, 1).unfold(2, side, 1)  # (n, 2 shift + 1, 2 shift + 1, 28, 28), a view
        places = draw(2 * config.shift + 1, 2)
        images = windows[torch.arange(n, device=images.device), places[:, 0], places[:, 1]]
    if config.flip:
        images = torch.where(draw(2, 1, 1).bool(), images.flip(2), images)
    if config.erase:
        corner = draw(side + config.erase, 2, 1) - config.erase  # may lie outside, so that edges are erased as often
        along = torch.arange(side, device=images.device)
        inside = (along >= corner) & (along < corner + config.erase)  # (n, 2, 28)
        images = images.masked_fill(inside[:, 0, :, None] & inside[:, 1, None, :], 0)
    return images


class ClassifierTask(Task):
    """Training of a classifier: AdamW (arXiv:1711.05101), warm-up and cosine decay, averaged weights."""

    def __init__(self, config: ClassifierConfig, train: Split, validation: Split, device: str) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeded(config.seed, "init").initial_seed())
            self.model = build(config)[MODEL].to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        super().__init__(
            modules={"model": self.model, MODEL: self.average},
            optimizers={"adamw": self.optimizer},
            exported={MODEL: self.average},
        )
        self.config, self.device = config, device
        self.images, self.labels = as_tensor(train.images).to(device), as_tensor(train.labels).to(device)
        self.validation = validation
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        self.half = config.precision == "bfloat16" or (config.precision == "auto" and bfloat16_is_fast(device))

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """Return the indices of the epoch's batches."""
        return IndexBatches(len(self.labels), self.config.batch_size, generator)

    def step(self, batch: Tensor, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update weights and average once. ``loss`` is the plain cross-entropy, whatever the labels' smoothing."""
        config = self.config
        rate = warmup_cosine(self.done, config.epochs, config.warmup)
        set_rate(self.optimizer, config.learning_rate * rate)
        batch = batch.to(self.device)
        labels = self.labels[batch]
        x = preprocess(augment(self.images[batch], config, generator)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.half):
            logits = self.model(x)
        logits = logits.float()
        objective = F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        objective.backward()
        self.optimizer.step()
        average_into(self.average, self.model, decay_at(self.done * self.steps_per_epoch, config.averaging))
        return self._terms(logits.detach(), labels, objective.detach()), len(batch)

    def _terms(self, logits: Tensor, labels: Tensor, objective: Tensor) -> dict[str, Tensor]:
        right = (logits.argmax(1) == labels).float().mean()
        if not self.config.label_smoothing:
            return {"loss": objective, "accuracy": right}
        return {"loss": F.cross_entropy(logits, labels), "accuracy": right, "objective": objective}

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return loss and accuracy of the averaged weights on the validation images, seen once as they are."""
        logits = logits_of(self.average, self.validation.images, self.device)
        right = logits.argmax(1) == self.validation.labels
        loss = measures.cross_entropy(logits, self.validation.labels).mean()
        return {"validation_loss": float(loss), "validation_accuracy": float(right.mean())}


def bfloat16_is_fast(device: str) -> bool:
    """Return whether bfloat16 beats float32 here: on CPUs only with matrix tiles (AMX); elsewhere it is slower."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.device(device).type == "cpu" and bool(torch.cpu._is_amx_tile_supported())


def train(config: ClassifierConfig, recorder: Recorder) -> str:
    """Train into the recorder's run and return how it ended (see ``core.training.loop.fit``)."""
    task = ClassifierTask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    keep = shown_epochs(config.epochs)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=keep, grid_epochs=())


def logits_of(
    model: nn.Module, images: NDArray[np.uint8], device: str = "cpu", *, mirrored: bool = False
) -> NDArray[np.float32]:
    """Return the logits of images, shape (n, 10), in eval mode and without changing the model.

    With ``mirrored`` an image is judged together with its mirror image: what comes back is the logarithm of the mean of
    both answers' probabilities. That fits a network trained on mirrored images, which has no reason to prefer one.
    """
    chunks = as_tensor(images).split(EVALUATED_AT_ONCE)
    parts = []
    with evaluating({MODEL: model}), torch.inference_mode():
        for chunk in chunks:
            views = [chunk, chunk.flip(2)] if mirrored else [chunk]
            logits = torch.stack([model(preprocess(view.to(device))).float() for view in views])
            if mirrored:
                logits = logits.log_softmax(2).logsumexp(0, keepdim=True) - math.log(len(views))
            parts.append(logits[0].cpu())
    return torch.cat(parts).numpy()


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
    config = _config(run)
    modules = build(config)
    rows = []
    for epoch in epochs:
        load_weights(run, modules, _weights_at(run, epoch))
        chances = np.exp(measures.log_softmax(logits_of(modules[MODEL], image[None], mirrored=config.flip)))[0]
        rows += [{"epoch": epoch, "label": label, "probability": float(p)} for label, p in enumerate(chances)]
    return pd.DataFrame(rows)


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
    return sorted({*run.snapshots(), int(run.meta["epochs_done"])})


def _measured(run: Run, device: str, epochs: Sequence[int]) -> Evaluation:
    config = _config(run)
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    modules = {name: module.to(device) for name, module in build(config).items()}
    tables: dict[str, list[pd.DataFrame]] = {}
    for epoch in epochs:
        load_weights(run, modules, _weights_at(run, epoch))
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


def _config(run: Run) -> ClassifierConfig:
    if not isinstance(run.config, ClassifierConfig):
        raise run.broken("run.json", "it is no run of the classifier")
    return run.config


def _weights_at(run: Run, epoch: int) -> int | None:
    """Return the snapshot to load for an epoch: the last epoch has its weights in full precision."""
    return None if epoch == run.meta["epochs_done"] and run.has_weights() else epoch


def _thinned(split: Split) -> Split:
    """Return every k-th image, 5,000 or all if there are fewer: spread over the file, the same every time."""
    step = max(1, len(split) // TRAIN_SAMPLE)
    chosen = slice(0, step * TRAIN_SAMPLE, step)
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
