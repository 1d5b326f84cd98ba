"""Per-image latents: every training image owns its posterior, optimised together with the decoder.

Beside it, from the same seed, data and batches, an amortised twin is trained: the same decoder with an encoder. Then,
from the twin's frozen decoder, the slack of the bound is split into approximation and amortisation gap.

The latents of all images exist once, in memory, while training; a run keeps those of ``kept_images`` images spread
evenly over the training set, and everything that is measured afterwards is measured on them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.chapters.latent_vae.config import LatentVAEConfig
from core.chapters.latent_vae.latents import MAX_LOGVAR, MIN_LOGVAR, Decoder, LatentTable, RowAdam
from core.data import DATASETS, Split, load
from core.data.images import as_tensor
from core.data.subsets import every, one_of_each
from core.families.log_probs.ppca import fit_ppca
from core.families.vaes import task as vae_chapter
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood
from core.families.vaes.model import VAE, mean_image
from core.families.vaes.task import VAETask, demo_latents, inputs
from core.runs.grids import to_uint8
from core.runs.recorder import Recorder
from core.training.ema import ema_decay, ema_update
from core.training.loop import IndexBatches, Task, fit, seeded
from core.training.schedules import set_rate, warmup_cosine

START_LOGVAR = -2.0  # narrower than the prior: with q = N(0, I) for all images alike, the decoder learns to ignore z


def build(config: LatentVAEConfig) -> dict[str, nn.Module]:
    """Return the modules that a run's weights fit: ``decoder`` and kept ``latents``, and the ``amortised`` twin."""
    vae = cast(VAE, vae_chapter.build(config)["vae"])
    n_kept = min(config.kept_images, DATASETS[config.data].sizes["train"])
    return {
        "decoder": Decoder(cast(VAE, vae_chapter.build(config)["vae"]).decoder),
        "latents": LatentTable(n_kept, config.latent_dim),
        "amortised": vae,
    }


class LatentVAETask(Task):
    """One batch at a time: latents alone in all but the last of ``latent_steps``, then the decoder too."""

    def __init__(self, config: LatentVAEConfig, train: Split, validation: Split, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.twin = VAETask(config, train, validation, device)
        self.images = self.twin.images
        self.decoder = Decoder(copy.deepcopy(self.twin.vae.decoder)).to(device)  # the same start as the twin's
        self.average = copy.deepcopy(self.decoder)
        self.table = LatentTable(len(train), config.latent_dim).to(device)
        self.kept_places = torch.from_numpy(every(len(train), config.kept_images))
        self.kept = LatentTable(len(self.kept_places), config.latent_dim)
        self.shown_places = torch.from_numpy(one_of_each(train.labels))
        if config.start == "pca":
            self._start_at_components(train)
        else:
            drawn = torch.randn(len(train), config.latent_dim, generator=seeded(config.seed, "init")).to(device)
            self.table.fill(slice(None), drawn, torch.full_like(drawn, START_LOGVAR))
        self.adam = torch.optim.Adam(self.decoder.parameters(), lr=config.learning_rate, fused=True)
        self.row_adam = RowAdam(self.table.parameters(), lr=config.latent_rate)
        super().__init__(
            modules={
                "decoder_trained": self.decoder,
                "decoder": self.average,
                "table": self.table,
                "latents": self.kept,
                "amortised_trained": self.twin.vae,
                "amortised": self.twin.average,
            },
            optimizers={"adam": self.adam, "rows": self.row_adam, "amortised_adam": self.twin.optimizer},
            exported={"decoder": self.average, "latents": self.kept, "amortised": self.twin.average},
        )

    def _start_at_components(self, train: Split) -> None:
        """Set every mean to the posterior mean of probabilistic PCA, which is linear in the image."""
        parts = as_tensor(train.images).split(5000)
        whole = torch.cat([part.flatten(1).float() / 255 for part in parts])
        model = fit_ppca(whole, self.config.sigma, self.config.latent_dim)
        for start, part in enumerate(whole.split(5000)):
            mean = model.posterior(part)[0].float()
            padded = torch.zeros(len(part), self.config.latent_dim)
            padded[:, : mean.shape[1]] = mean
            rows = slice(start * 5000, start * 5000 + len(part))
            self.table.fill(rows, padded.to(self.device), torch.full_like(padded, START_LOGVAR).to(self.device))

    @torch.no_grad()
    def _start_at_twin(self) -> None:
        """Let latents and decoder begin as copies of what the twin has learned in its first epoch."""
        self.decoder.decoder.load_state_dict(self.twin.vae.decoder.state_dict())
        self.average.load_state_dict(self.decoder.state_dict())
        for places in torch.arange(len(self.images)).split(2000):
            x = inputs(self.images[places.to(self.device)], self.config, seeded(self.config.seed, "init"))
            mu, logvar = self.twin.vae.encode(x)
            self.table.fill(places.to(self.device), mu, logvar.clamp(MIN_LOGVAR, MAX_LOGVAR))

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """Return the indices of the epoch's batches."""
        if self.config.start == "encoder" and epoch == 2:
            self._start_at_twin()
        return IndexBatches(len(self.images), self.config.batch_size, generator)

    def step(self, batch: Tensor, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update latents, decoder and twin on the same images."""
        config = self.config
        factor = warmup_cosine(self.done, config.epochs, config.warmup, 0.01)
        set_rate(self.adam, config.learning_rate * factor)
        set_rate(self.row_adam, config.latent_rate * warmup_cosine(self.done, config.epochs, 0, 0.02))
        rows = batch.to(self.device)
        x = inputs(self.images[rows], config, generator)
        for last in (i == config.latent_steps - 1 for i in range(config.latent_steps)):
            mu, logvar = self.table(rows)
            z = mu + (0.5 * logvar).exp() * torch.randn(mu.shape, generator=generator).to(mu)
            log_px = log_likelihood(self.decoder.decode(z), x, likelihood=config.likelihood, sigma=config.sigma)
            reconstruction, kl = -log_px.mean(), kl_standard_normal(mu, logvar).sum(1).mean()
            weights = [self.table.rows, *(self.decoder.parameters() if last else ())]
            gradients = torch.autograd.grad(reconstruction + kl, weights)
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient
            self.row_adam.step()
        self.adam.step()
        ema_update(self.average, self.decoder, ema_decay(self.done * self.twin.steps_per_epoch, config.ema))
        self.twin.done = self.done
        amortised, size = self.twin.step(batch, generator)
        reconstruction, kl = reconstruction.detach(), kl.detach()
        own = {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
        return {**own, **{f"amortised_{name}": value for name, value in amortised.items()}}, size

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return both models' terms on the kept training images, with equal noise, and the twin's on held-out ones."""
        with torch.no_grad():
            self.kept.rows.copy_(self.table.rows[self.kept_places.to(self.device)])
        x = inputs(self.images[self.kept_places.to(self.device)], self.config, seeded(self.config.seed, "evaluation"))
        row = {f"kept_{name}": v for name, v in self._terms(self.average, self.kept.rows.to(self.device), x).items()}
        encoded = torch.cat(self.twin.average.encode(x), dim=1)
        row |= {f"kept_amortised_{name}": v for name, v in self._terms(self.twin.average, encoded, x).items()}
        held_out = self.twin.validate(epoch)
        return row | {
            f"validation_amortised_{k}": held_out[f"validation_{k}"] for k in ("loss", "reconstruction", "kl")
        }

    def _terms(self, model: Decoder | VAE, rows: Tensor, x: Tensor) -> dict[str, float]:
        mu, logvar = rows.chunk(2, dim=1)
        logvar = logvar.clamp(MIN_LOGVAR, MAX_LOGVAR)
        eps = torch.randn(mu.shape, generator=seeded(self.config.seed, "evaluation", 1)).to(mu)
        logits = model.decode(mu + (0.5 * logvar).exp() * eps)
        log_px = log_likelihood(logits, x, likelihood=self.config.likelihood, sigma=self.config.sigma)
        terms = {"reconstruction": -log_px.mean(), "kl": kl_standard_normal(mu, logvar).sum(1).mean()}
        return {"loss": float(sum(terms.values())), **{name: float(value) for name, value in terms.items()}}

    def grids(self, epoch: int) -> Mapping[str, NDArray[np.uint8]]:
        """Return decoded demo draws and reconstructions of training images, of both models: no data."""
        z = demo_latents(self.config).to(self.device)
        shown = self.shown_places.to(self.device)
        x = inputs(self.images[shown], self.config, seeded(self.config.seed, "evaluation"))
        return {
            "samples": pictures(self.average, z),
            "samples-amortised": pictures(self.twin.average, z),
            "reconstructions-train": pictures(self.average, self.table(shown)[0]),
            "reconstructions-train-amortised": pictures(self.twin.average, self.twin.average.encode(x)[0]),
        }


def pictures(model: Decoder | VAE, z: Tensor) -> NDArray[np.uint8]:
    """Return mean images as one row of a grid, uint8 (1, n, 28, 28)."""
    return to_uint8(mean_image(model.decode(z)).detach().cpu().numpy()).reshape(1, -1, 28, 28)


def train(config: LatentVAEConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = LatentVAETask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed)
