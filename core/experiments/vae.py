"""Variational autoencoder: trained on the bound it reports, sums over pixels and latent dimensions.

What is validated, saved and shown is the average of the weights over recent steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.configs import VAEConfig
from core.data import DATASETS, Split, load
from core.data.images import as_tensor, binarise, preprocess
from core.metrics import vae_tables
from core.metrics.elbo import kl_standard_normal, log_likelihood
from core.metrics.vae_findings import UNUSED_NATS
from core.models.conv_vae import ConvVAE
from core.models.vae import VAE, mean_image, reparameterise
from core.training.averaging import average_into, decay_at
from core.training.grids import to_uint8
from core.training.loop import IndexBatches, Task, evaluating, fit, seeded, shown_epochs
from core.training.recorder import Recorder
from core.training.runs import Run
from core.training.schedules import ramp, set_rate, warmup_cosine
from core.training.session import Evaluation
from core.training.weights import load_weights

MODEL = "vae"
DEMO_DRAWS = 10
EVALUATED_AT_ONCE = 1000  # images
SHOWN = (1, 5, 10, 20, 30)

# Matrix products round differently on other machines; a bound in nats moves by about 1e-4 of itself.
TOLERANCES: dict[str, float] = {"": 0.02, "used_dimensions": 1.0}


def build(config: VAEConfig) -> dict[str, nn.Module]:
    """Return the module that a run's weights fit."""
    if config.network == "convolutional":
        return {MODEL: ConvVAE(config.width, config.latent_dim, config.activation)}
    return {MODEL: VAE(784, (config.width,) * config.depth, config.latent_dim, config.activation)}


def demo_latents(config: VAEConfig, draws: int = DEMO_DRAWS) -> Tensor:
    """Return the fixed draws of N(0, I) that every epoch's samples are decoded from, (draws, latent_dim)."""
    return torch.randn(draws, config.latent_dim, generator=seeded(config.seed, "demo"))


def one_of_each(split: Split) -> NDArray[np.int64]:
    """Return the place in a split of the first image of each class: the images whose reconstructions are kept."""
    return np.array([int(np.flatnonzero(split.labels == c)[0]) for c in np.unique(split.labels)], dtype=np.int64)


def inputs(images: Tensor, config: VAEConfig, generator: torch.Generator) -> Tensor:
    """Return flat images in [0, 1], (n, 784); black and white with ``config.binarise``, drawn anew at each call."""
    if config.binarise:
        return binarise(images.cpu(), generator).flatten(1).to(images.device)
    return preprocess(images).flatten(1)


@dataclass(frozen=True)
class Terms:
    """The bound of n images in nats: ``reconstruction`` -log p(x|z) (n,), ``kl`` (n, latent_dim); and ``mu``."""

    reconstruction: NDArray[np.float64]
    kl: NDArray[np.float64]
    mu: NDArray[np.float32]

    @property
    def loss(self) -> NDArray[np.float64]:
        """The negative ELBO of each image, (n,)."""
        total: NDArray[np.float64] = self.reconstruction + self.kl.sum(1)
        return total

    def means(self) -> dict[str, float]:
        """Return the means over images of ``loss``, ``reconstruction`` and ``kl``."""
        return {
            "loss": float(self.loss.mean()),
            "reconstruction": float(self.reconstruction.mean()),
            "kl": float(self.kl.sum(1).mean()),
        }


@torch.inference_mode()
def terms_of(vae: VAE, images: NDArray[np.uint8], config: VAEConfig, device: str = "cpu") -> Terms:
    """Return the terms of the bound, one draw of z per image, the same draws at every call.

    Parameters
    ----------
    images
        uint8, shape (n, 28, 28).
    """
    generator = seeded(config.seed, "evaluation")
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    with evaluating({MODEL: vae}):
        for batch in as_tensor(images).split(EVALUATED_AT_ONCE):
            x = inputs(batch, config, generator).to(device)
            mu, logvar = vae.encode(x)
            logits = vae.decode(reparameterise(mu, logvar, generator))
            log_prob = log_likelihood(logits, x, likelihood=config.likelihood, sigma=config.sigma)
            parts.append((-log_prob.cpu().double(), kl_standard_normal(mu, logvar).cpu().double(), mu.cpu()))
    return Terms(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


@torch.inference_mode()
def decoded(vae: VAE, z: Tensor) -> NDArray[np.uint8]:
    """Return mean images, uint8 (n, 28, 28), for ``z`` (n, latent_dim)."""
    device = next(vae.parameters()).device
    return to_uint8(mean_image(vae.decode(z.to(device))).reshape(-1, 28, 28).cpu().numpy())


@torch.inference_mode()
def reconstructed(vae: VAE, images: NDArray[np.uint8], config: VAEConfig) -> NDArray[np.uint8]:
    """Return the mean images at the encoder's means, uint8 (n, 28, 28): what the model keeps of each image."""
    device = next(vae.parameters()).device
    x = inputs(as_tensor(images), config, seeded(config.seed, "evaluation")).to(device)
    return decoded(vae, vae.encode(x)[0])


class VAETask(Task):
    """Training on the negative ELBO with Adam, warm-up and cosine decay, and averaged weights.

    Early in training the KL term may be weighted from 0 to 1 (``kl_warmup``, Sønderby et al., arXiv:1602.02282);
    the loss that is recorded is always the whole bound.
    """

    def __init__(self, config: VAEConfig, train: Split, validation: Split, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.images = as_tensor(train.images).to(device)
        self.train_shown, self.validation = train.images[one_of_each(train)], validation
        self.validation_shown = validation.images[one_of_each(validation)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seeded(config.seed, "init").initial_seed())
            self.vae: VAE = build(config)[MODEL]  # type: ignore[assignment]
        self.vae.start_at(as_tensor(train.images).flatten(1).double().mean(0).float() / 255)
        self.vae.to(device)
        self.average = copy.deepcopy(self.vae)
        self.optimizer = torch.optim.Adam(self.vae.parameters(), lr=config.learning_rate, fused=True)
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        super().__init__(
            modules={"trained": self.vae, MODEL: self.average},
            optimizers={"adam": self.optimizer},
            exported={MODEL: self.average},
        )

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """Return the indices of the epoch's batches."""
        return IndexBatches(len(self.images), self.config.batch_size, generator)

    def step(self, batch: Tensor, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update weights and average once."""
        config = self.config
        set_rate(self.optimizer, config.learning_rate * warmup_cosine(self.done, config.epochs, config.warmup, 0.01))
        x = inputs(self.images[batch.to(self.device)], config, generator)
        logits, mu, logvar = self.vae(x, generator)
        reconstruction = -log_likelihood(logits, x, likelihood=config.likelihood, sigma=config.sigma).mean()
        kl = kl_standard_normal(mu, logvar).sum(1).mean()
        objective = reconstruction + config.kl_weight * ramp(self.done, config.kl_warmup) * kl
        self.optimizer.zero_grad(set_to_none=True)
        objective.backward()
        self.optimizer.step()
        average_into(self.average, self.vae, decay_at(self.done * self.steps_per_epoch, config.averaging))
        reconstruction, kl = reconstruction.detach(), kl.detach()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}, len(batch)

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return the bound's terms on the validation images, and the KL of each latent dimension."""
        terms = terms_of(self.average, self.validation.images, self.config, self.device)
        row = {f"validation_{name}": value for name, value in terms.means().items()}
        return row | {f"kl_{i}": float(value) for i, value in enumerate(terms.kl.mean(0))}

    def grids(self, epoch: int) -> Mapping[str, NDArray[np.uint8]]:
        """Return decoded demo draws and reconstructions, one row each: model outputs only, no data."""
        return {
            "samples": decoded(self.average, demo_latents(self.config))[None],
            "reconstructions-validation": reconstructed(self.average, self.validation_shown, self.config)[None],
            "reconstructions-train": reconstructed(self.average, self.train_shown, self.config)[None],
        }


def train(config: VAEConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = VAETask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    keep = shown_epochs(config.epochs, SHOWN)[:-1]  # the last epoch's weights are saved anyway, in full precision
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=keep)


def load_vae(run: Run, epoch: int | None = None, device: str = "cpu") -> VAE:
    """Return a run's model in eval mode: its final weights, or the snapshot of an epoch."""
    modules = build(_config(run))
    load_weights(run, modules, epoch)
    vae: VAE = modules[MODEL].to(device)  # type: ignore[assignment]
    return vae


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure a run's weights at every kept epoch on training, validation and (where there is one) test images.

    Metrics are of the final weights (averaged over recent steps), means per image in nats, each over a whole split and
    by the same function: ``train_loss`` and ``validation_loss`` are negative ELBOs, ``overfit_gap`` is validation less
    training, ``overfit_gap_equal_shares`` the same with every class counted alike, and ``test_elbo_nats`` is the ELBO
    on the test images where the data set has them. ``used_dimensions`` counts the latent dimensions whose mean KL on
    validation images is at least 0.01 nats. The history's ``train_`` columns are something else: means over an epoch
    during which the weights move.
    """
    config = _config(run)
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    epochs = sorted({*run.snapshots(), int(run.meta["epochs_done"])}, reverse=True)
    tables: dict[str, list[pd.DataFrame]] = {}
    metrics: dict[str, float] = {}
    places: NDArray[np.float64] | None = None
    for epoch in epochs:  # the last one first: the maps of the others start from its map
        terms = _terms(run, None if epoch == epochs[0] else epoch, splits, device)
        metrics = metrics or _metrics(terms, splits)
        for name, part in terms.items():
            for table, frame in _tables(part, splits[name].labels).items():
                tables.setdefault(table, []).append(frame.round(4).assign(epoch=epoch, split=name))
        points = latent_map(terms["validation"], splits["validation"].labels, places, config.seed)
        places = points[["x", "y"]].to_numpy()
        tables.setdefault("latent_map", []).append(points.round({"x": 3, "y": 3, "loss": 1}).assign(epoch=epoch))
    joined = {name: _in_front(pd.concat(reversed(parts), ignore_index=True)) for name, parts in tables.items()}
    shown = {f"{name}_index": one_of_each(splits[name]) for name in ("validation", "train")}
    return Evaluation(metrics, {**joined, "shown": pd.DataFrame(shown)})


def verify(run: Run, device: str = "cpu") -> Evaluation:
    """Recompute every metric of :func:`evaluate` from the final weights; the tables of earlier epochs are left out."""
    splits = {name: load(run.config.data, name) for name in DATASETS[run.config.data].sizes}
    return Evaluation(_metrics(_terms(run, None, splits, device), splits))


def _terms(run: Run, epoch: int | None, splits: Mapping[str, Split], device: str) -> dict[str, Terms]:
    vae, config = load_vae(run, epoch, device), _config(run)
    return {name: terms_of(vae, split.images, config, device) for name, split in splits.items()}


def _config(run: Run) -> VAEConfig:
    if not isinstance(run.config, VAEConfig):
        raise run.broken("run.json", "it is no run of a VAE")
    return run.config


def _tables(terms: Terms, labels: NDArray[np.int64]) -> dict[str, pd.DataFrame]:
    kl = terms.kl.sum(1)
    return {
        "measures": vae_tables.measures(terms.reconstruction, kl),
        "per_class": vae_tables.per_class(terms.reconstruction, kl, labels),
    }


def _metrics(terms: Mapping[str, Terms], splits: Mapping[str, Split]) -> dict[str, float]:
    """Return the run's metrics from the terms of each split with the final weights."""
    metrics = {f"{name}_{key}": value for name, part in terms.items() for key, value in part.means().items()}
    metrics["overfit_gap"] = metrics["validation_loss"] - metrics["train_loss"]
    classes = [_tables(part, splits[name].labels)["per_class"].assign(split=name) for name, part in terms.items()]
    metrics["overfit_gap_equal_shares"] = vae_tables.gap_at_equal_shares(pd.concat(classes))
    if "test" in terms:
        metrics["test_elbo_nats"] = -metrics.pop("test_loss")
    metrics["used_dimensions"] = float((terms["validation"].kl.mean(0) >= UNUSED_NATS).sum())
    return metrics


def latent_map(
    terms: Terms, labels: NDArray[np.int64], start: NDArray[np.float64] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the images of the latent map, up to 2,000 evenly spaced: no pixel, only where their encoded means lie.

    Returns
    -------
    DataFrame
        ``index`` (place in the split), ``label``, ``x, y`` (t-SNE), ``loss`` (negative ELBO, nats) and
        ``neighbour`` (label of the image of the whole split whose mean is nearest).
    """
    places = vae_tables.spread_out(len(labels), vae_tables.MAP_IMAGES)
    plane = vae_tables.neighbour_map(terms.mu[places], start, seed=seed)
    columns = {"index": places, "label": labels[places], "x": plane[:, 0], "y": plane[:, 1], "loss": terms.loss[places]}
    return pd.DataFrame(columns).assign(neighbour=labels[vae_tables.nearest(terms.mu, places)])


def _in_front(frame: pd.DataFrame) -> pd.DataFrame:
    first = [name for name in ("epoch", "split") if name in frame.columns]
    return frame[[*first, *(name for name in frame.columns if name not in first)]]
