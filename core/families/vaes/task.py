"""Training of a variational autoencoder on the bound it reports: sums over pixels and latent dimensions.

What is validated, saved and shown is the average of the weights over recent steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.data import Split
from core.data.images import as_tensor, binarise, preprocess
from core.data.subsets import one_of_each
from core.families.vaes.config import VAEConfig
from core.families.vaes.convolutional import ConvVAE
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood
from core.families.vaes.model import VAE, mean_image, reparameterise
from core.runs.grids import to_uint8
from core.runs.store import Run
from core.training.ema import ema_decay, ema_update
from core.training.loop import IndexBatches, Task, evaluating, seeded
from core.training.schedules import ramp, set_rate, warmup_cosine
from core.training.weights import load_weights

MODEL = "vae"


DEMO_DRAWS = 10


EVALUATED_AT_ONCE = 1000  # images


def build(config: VAEConfig) -> dict[str, nn.Module]:
    """Return the module that a run's weights fit."""
    if config.network == "convolutional":
        return {MODEL: ConvVAE(config.width, config.latent_dim, config.activation)}
    return {MODEL: VAE(784, (config.width,) * config.depth, config.latent_dim, config.activation)}


def demo_latents(config: VAEConfig, draws: int = DEMO_DRAWS) -> Tensor:
    """Return the fixed draws of N(0, I) that every epoch's samples are decoded from, (draws, latent_dim)."""
    return torch.randn(draws, config.latent_dim, generator=seeded(config.seed, "demo"))


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
        self.train_shown, self.validation = train.images[one_of_each(train.labels)], validation
        self.validation_shown = validation.images[one_of_each(validation.labels)]
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
        ema_update(self.average, self.vae, ema_decay(self.done * self.steps_per_epoch, config.ema))
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


def load_vae(run: Run, epoch: int | None = None, device: str = "cpu") -> VAE:
    """Return a run's model in eval mode: its final weights, or the snapshot of an epoch."""
    modules = build(run.config_as(VAEConfig))
    load_weights(run, modules, epoch)
    vae: VAE = modules[MODEL].to(device)  # type: ignore[assignment]
    return vae


def flat(split: Split, config: VAEConfig) -> Tensor:
    """Return a split's images (n, 784) in [0, 1]; with ``config.binarise`` black and white, the same at every call."""
    images = as_tensor(split.images)
    if config.binarise:
        return binarise(images, seeded(config.seed, "evaluation")).flatten(1)
    return preprocess(images).flatten(1)
