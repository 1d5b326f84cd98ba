"""Training of the convolutional classifier, with shifts and averaged weights.

What is validated, saved and shown is the average of the weights over recent steps; the weights that the optimiser
moves are kept only to continue a training.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.data import Split
from core.data.images import as_tensor, preprocess
from core.families.classifiers import measures
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.model import Classifier
from core.runs.store import Run
from core.training.ema import ema_decay, ema_update
from core.training.loop import IndexBatches, Task, evaluating, seeded
from core.training.schedules import set_rate, warmup_cosine

EVALUATED_AT_ONCE = 500  # images


MODEL = "classifier"


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
        ema_update(self.average, self.model, ema_decay(self.done * self.steps_per_epoch, config.ema))
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
    """Return whether bfloat16 beats float32 here: on CPUs only with instructions of its own; else it is slower.

    Those are matrix tiles (AMX) and AVX-512's bfloat16 products. Measured with the latter on two cores, 55,000 images
    and width 32: 23 s an epoch instead of 39.
    """
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.device(device).type != "cpu":
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


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


def weights_at(run: Run, epoch: int) -> int | None:
    """Return the snapshot to load for an epoch: the last epoch has its weights in full precision."""
    return None if epoch == run.epochs_done and run.has_weights() else epoch
