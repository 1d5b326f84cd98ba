"""Log-probability: a VAE, then log p(x) of single images, and why some are more probable than others.

With ``iwae_epochs`` the last epochs train on the importance-weighted bound; with ``keep_plain`` they train a copy, and
both models are kept and measured. Everything a page shows by default is in tables; weights are for the probe.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.chapters.log_probability.config import LogProbabilityConfig
from core.data import Split, load
from core.data.subsets import every
from core.families.log_probs.iwae import iwae_terms
from core.families.log_probs.latent_model import LatentModel, estimate
from core.families.log_probs.tables import probability_metrics
from core.families.vaes import task as vae_chapter
from core.families.vaes.model import VAE
from core.families.vaes.task import VAETask, decoded, demo_latents, flat, inputs, reconstructed
from core.runs.recorder import Recorder
from core.training.ema import ema_decay, ema_update
from core.training.loop import fit
from core.training.schedules import set_rate, warmup_cosine

MODELS = ("vae", "iwae")


GLANCE_IMAGES, GLANCE_SAMPLES = 500, 50  # what the estimate after each epoch costs


def build(config: LogProbabilityConfig) -> dict[str, nn.Module]:
    """Return the modules that a run's weights fit: ``vae``, and ``iwae`` where a fine-tuned copy was kept beside it."""
    return {name: vae_chapter.build(config)["vae"] for name in build_names(config)}


def build_names(config: LogProbabilityConfig) -> tuple[str, ...]:
    """Return the names of a run's models: the plain one alone, unless a fine-tuned copy stands beside it."""
    return MODELS if config.iwae_epochs and config.keep_plain else MODELS[:1]


def latent_model(module: nn.Module, config: LogProbabilityConfig) -> LatentModel:
    """Return a loaded module as what is measured."""
    vae = cast(VAE, module)
    return LatentModel(vae, vae.widths, config.likelihood, config.sigma)


class LogProbabilityTask(VAETask):
    """The VAE chapter's training, and after it the fine-tuning of a copy on the importance-weighted bound."""

    def __init__(self, config: LogProbabilityConfig, train: Split, validation: Split, device: str = "cpu") -> None:
        self.plain_epochs = config.epochs - config.iwae_epochs
        super().__init__(config.changed(epochs=self.plain_epochs, iwae_epochs=0), train, validation, device)
        self.whole = config
        self.iwae, self.iwae_average = self.vae, self.average
        self.glanced = every(len(validation), GLANCE_IMAGES)
        self.labels = validation.labels[self.glanced]
        if config.iwae_epochs:
            if config.keep_plain:
                self.iwae, self.iwae_average = copy.deepcopy(self.vae), copy.deepcopy(self.average)
                self.modules |= {"iwae_trained": self.iwae, "iwae": self.iwae_average}
                self.exported |= {"iwae": self.iwae_average}
            self.iwae_optimizer = torch.optim.Adam(self.iwae.parameters(), lr=config.iwae_rate, fused=True)
            self.optimizers["iwae_adam"] = self.iwae_optimizer

    @property
    def shown(self) -> VAE:
        """The averaged model of the phase that training is in."""
        return self.iwae_average if self.done >= self.plain_epochs else self.average

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """Return the epoch's batches; where fine-tuning begins, let it begin at the averaged weights."""
        if self.whole.iwae_epochs and epoch == self.plain_epochs + 1:
            for module in (self.iwae, self.iwae_average):
                module.load_state_dict(self.average.state_dict())
        return super().batches(epoch, generator)

    def step(self, batch: Tensor, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update once; ``bound`` is the negative of the bound that is trained."""
        if self.done < self.plain_epochs:
            terms, size = super().step(batch, generator)
            return {**terms, "bound": terms["loss"]}, size
        config, since = self.whole, self.done - self.plain_epochs
        set_rate(self.iwae_optimizer, config.iwae_rate * warmup_cosine(since, config.iwae_epochs, 0.2, 0.01))
        x = inputs(self.images[batch.to(self.device)], config, generator)
        objective, per_image = iwae_terms(
            self.iwae, x, config.iwae_samples, likelihood=config.likelihood, sigma=config.sigma, generator=generator
        )
        self.iwae_optimizer.zero_grad(set_to_none=True)
        objective.backward()
        self.iwae_optimizer.step()
        ema_update(self.iwae_average, self.iwae, ema_decay(since * self.steps_per_epoch, config.ema))
        return {name: value.mean() for name, value in per_image.items()}, len(batch)

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return the bound's terms on the validation images, and a quick log p(x) of some of them, per digit too."""
        terms = vae_chapter.terms_of(self.shown, self.validation.images, self.config, self.device)
        row = {f"validation_{name}": value for name, value in terms.means().items()}
        x = flat(self.validation, self.whole)[self.glanced].to(self.device)
        model = latent_model(self.shown, self.whole)
        found = estimate(model, x, n_samples=GLANCE_SAMPLES, seed=self.whole.seed, indices=self.glanced.tolist())
        images = pd.DataFrame({"label": self.labels, "log_prob": found.log_prob.cpu().numpy()})
        return row | probability_metrics(images, "validation")

    def grids(self, epoch: int) -> Mapping[str, NDArray[np.uint8]]:
        """Return decoded demo draws and reconstructions: model outputs only, no data."""
        return {
            "samples": decoded(self.shown, demo_latents(self.whole))[None],
            "reconstructions-validation": reconstructed(self.shown, self.validation_shown, self.whole)[None],
        }


def train(config: LogProbabilityConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = LogProbabilityTask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed)
