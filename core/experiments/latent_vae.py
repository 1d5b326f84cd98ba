"""Per-image latents: every training image owns its posterior, optimised together with the decoder.

Beside it, from the same seed, data and batches, an amortised twin is trained: the same decoder with an encoder. Then,
from the twin's frozen decoder, the slack of the bound is split into approximation and amortisation gap.

The latents of all images exist once, in memory, while training; a run keeps those of ``kept_images`` images spread
evenly over the training set, and everything that is measured afterwards is measured on them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.configs import LatentVAEConfig
from core.data import DATASETS, Split, load
from core.data.images import as_tensor
from core.experiments import vae as vae_chapter
from core.experiments.log_probability import every, flat, image_table
from core.experiments.vae import VAETask, demo_latents, inputs, one_of_each
from core.metrics.elbo import kl_standard_normal, log_likelihood
from core.metrics.latent_model import LatentModel, Posterior, estimate
from core.metrics.log_likelihood import smooth_conditional
from core.metrics.ppca import fit_ppca
from core.metrics.probability_tables import comparison, rounded, slack_summary
from core.metrics.slack import RefineOptions, refine
from core.models.latents import MAX_LOGVAR, MIN_LOGVAR, Decoder, LatentTable, RowAdam
from core.models.vae import VAE, mean_image
from core.training.averaging import average_into, decay_at
from core.training.grids import to_uint8
from core.training.loop import IndexBatches, Task, fit, seeded
from core.training.recorder import Recorder
from core.training.runs import Run
from core.training.schedules import set_rate, warmup_cosine
from core.training.session import Evaluation
from core.training.weights import load_weights

REFINED_IMAGES = 200
START_LOGVAR = -2.0  # narrower than the prior: with q = N(0, I) for all images alike, the decoder learns to ignore z
# What ends an optimisation of single posteriors moves more between machines than what is only evaluated.
_OPTIMISED = ("approximation_gap", "amortisation_gap", "train_approximation_gap", "train_amortisation_gap")
TOLERANCES: dict[str, float] = {
    "": 0.02,
    **{f"{name}_nats": 0.1 for name in (*_OPTIMISED, "amortised_test_log_prob", "amortised_validation_log_prob")},
    **{f"{name}_nats": 0.5 for name in ("test_log_prob", "validation_log_prob")},  # from the prior: far from its start
}


def build(config: LatentVAEConfig) -> dict[str, nn.Module]:
    """Return the modules that a run's weights fit: ``decoder`` and kept ``latents``, and the ``amortised`` twin."""
    vae = cast(VAE, vae_chapter.build(config)["vae"])
    n_kept = min(config.kept_images, len(load(config.data, "train")))
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
        self.shown_places = torch.from_numpy(one_of_each(train))
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
        average_into(self.average, self.decoder, decay_at(self.done * self.twin.steps_per_epoch, config.averaging))
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
            "samples": _pictures(self.average, z),
            "samples-amortised": _pictures(self.twin.average, z),
            "reconstructions-train": _pictures(self.average, self.table(shown)[0]),
            "reconstructions-train-amortised": _pictures(self.twin.average, self.twin.average.encode(x)[0]),
        }


def _pictures(model: Decoder | VAE, z: Tensor) -> NDArray[np.uint8]:
    """Return mean images as one row of a grid, uint8 (1, n, 28, 28)."""
    return to_uint8(mean_image(model.decode(z)).detach().cpu().numpy()).reshape(1, -1, 28, 28)


def train(config: LatentVAEConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = LatentVAETask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed)


@dataclass(frozen=True)
class Pair:
    """A run's two models, frozen, with the kept images and the latents of the first model."""

    config: LatentVAEConfig
    latent: LatentModel
    amortised: LatentModel
    q: Posterior
    x: Tensor
    places: NDArray[np.int64]
    labels: NDArray[np.int64]


def load_pair(run: Run, device: str = "cpu") -> Pair:
    """Return a run's models and the images they are compared on."""
    config: LatentVAEConfig = run.config  # type: ignore[assignment]
    modules = build(config)
    load_weights(run, modules)
    for module in modules.values():
        module.to(device).requires_grad_(False)
    vae = cast(VAE, modules["amortised"])
    split = load(config.data, "train")
    places = every(len(split), config.kept_images)
    table = cast(LatentTable, modules["latents"])
    return Pair(
        config,
        LatentModel(cast(Decoder, modules["decoder"]), vae.widths, config.likelihood, config.sigma),
        LatentModel(vae, vae.widths, config.likelihood, config.sigma),
        table(torch.arange(len(table), device=device)),
        flat(split, config)[places].to(device),
        places,
        split.labels,
    )


def compared(pair: Pair) -> dict[str, pd.DataFrame]:
    """Return the image tables of both models on the kept training images: ``images`` and ``images_amortised``."""
    config, places = pair.config, pair.places
    tables = {}
    for name, model, q in (("images", pair.latent, pair.q), ("images_amortised", pair.amortised, None)):
        found = estimate(
            model, pair.x, posterior=q, n_samples=config.samples, seed=config.seed, indices=places.tolist()
        )
        tables[name] = rounded(image_table(found, places, pair.labels))
    return tables


def split_slack(pair: Pair, device: str = "cpu") -> pd.DataFrame:
    """Split the bound's slack of each image, on a few training and held-out images.

    Every image's q is refined from where it stands: the encoder's, or for the per-image latents their own. Columns
    ``set`` (a key of ``SLACK_SETS``), ``index``, ``label``, ``log_prob`` (importance sampling from the refined q),
    ``elbo``, ``elbo_refined``, ``approximation``, ``amortisation``.
    """
    config = pair.config
    name = held_out_name(config)
    split = load(config.data, name)
    places = every(len(split), REFINED_IMAGES)
    x = flat(split, config)[places].to(device)
    few = every(len(pair.x), REFINED_IMAGES)
    known, nothing = pair.x[few], torch.zeros(len(x), config.latent_dim, device=device)
    own = (pair.q[0][few], pair.q[1][few])
    sets = {
        "amortised_train": (pair.amortised, known, pair.amortised.encode(known)),
        "amortised_held_out": (pair.amortised, x, pair.amortised.encode(x)),
        "latent_train": (pair.latent, known, own),
        "latent_held_out": (pair.latent, x, (nothing, nothing)),
    }
    tables = []
    for key, (model, images, q) in sets.items():
        indices, labels = (pair.places[few], pair.labels) if key.endswith("_train") else (places, split.labels)
        gaps = _gaps(model, images, q, config)
        tables.append(pd.DataFrame({"set": key, "index": indices, "label": labels[indices], **gaps}))
    return pd.concat(tables, ignore_index=True).round(4)


def _gaps(model: LatentModel, x: Tensor, q: Posterior, config: LatentVAEConfig) -> dict[str, NDArray[np.float64]]:
    conditional = smooth_conditional(model.coder.decode, model.likelihood, model.sigma)
    generator = seeded(config.seed, "evaluation")
    best_q = refine(conditional, x, *q, options=RefineOptions(steps=config.refine_steps), generator=generator)
    start, best = (estimate(model, x, posterior=one, n_samples=config.samples, seed=config.seed) for one in (q, best_q))
    log_prob, elbo, elbo_refined = (v.double().cpu().numpy() for v in (best.log_prob, start.elbo, best.elbo))
    return {
        "log_prob": log_prob,
        "elbo": elbo,
        "elbo_refined": elbo_refined,
        "approximation": log_prob - elbo_refined,
        "amortisation": elbo_refined - elbo,
    }


def held_out_name(config: LatentVAEConfig) -> str:
    """Return the split that held-out figures are of: test, or validation where the data set has no test images."""
    return "test" if "test" in DATASETS[config.data].sizes else "validation"


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Compare both models on the kept training images and split the slack.

    Metrics, means per image in nats: ``train_log_prob_nats``, ``train_elbo_nats``, ``train_slack_nats`` (KL of the
    model's own q to its posterior) of the per-image latents, the same of the amortised twin (``amortised_...``),
    ``log_prob_gap_nats`` (twin minus latents), ``approximation_gap_nats`` and ``amortisation_gap_nats`` on held-out
    images, ``train_amortisation_gap_nats``, and ``<held out>_log_prob_nats`` of the latents' decoder, with the q of
    each held-out image refined from the prior.
    """
    pair = load_pair(run, device)
    tables = compared(pair)
    tables["slack"] = split_slack(pair, device)
    return _summed(pair.config, tables)


def verify(run: Run, device: str = "cpu") -> Evaluation:
    """Recompute what is cheap (both models on all kept images); the refined posteriors are read from their table."""
    pair = load_pair(run, device)
    return _summed(pair.config, {**compared(pair), "slack": run.table("slack")})


def number(frame: pd.DataFrame, row: str, column: str) -> float:
    """Return one cell as a plain number."""
    return float(frame[column].to_dict()[row])


def _summed(config: LatentVAEConfig, tables: dict[str, pd.DataFrame]) -> Evaluation:
    both, slack = comparison(tables), slack_summary(tables["slack"])
    metrics: dict[str, float] = {}
    of_model = both.set_index("model")
    for model, prefix in (("latent", ""), ("amortised", "amortised_")):
        for name in ("log_prob", "elbo", "slack"):
            metrics[f"{prefix}train_{name}_nats"] = number(of_model, model, name)
    metrics["log_prob_gap_nats"] = metrics["amortised_train_log_prob_nats"] - metrics["train_log_prob_nats"]
    of_set = slack.set_index("set")
    for name in ("approximation", "amortisation"):
        metrics[f"{name}_gap_nats"] = number(of_set, "amortised_held_out", name)
        metrics[f"train_{name}_gap_nats"] = number(of_set, "amortised_train", name)
    held_out = held_out_name(config)
    metrics[f"{held_out}_log_prob_nats"] = number(of_set, "latent_held_out", "log_prob")
    metrics[f"amortised_{held_out}_log_prob_nats"] = number(of_set, "amortised_held_out", "log_prob")
    return Evaluation(metrics, {**tables, "comparison": both, "slack_summary": slack})


@dataclass(frozen=True)
class Refined:
    """One image's posterior, refined: bounds in nats, the bound at each step, and three pictures (3, 28, 28)."""

    encoder: float
    refined: float
    log_prob: float
    standard_error: float
    course: list[float]
    pictures: NDArray[np.uint8]


def refine_one(
    modules: Mapping[str, nn.Module], image: NDArray[np.uint8], config: LatentVAEConfig, steps: int = 200
) -> Refined:
    """Refine the encoder's q of one image, uint8 (28, 28), with the twin's decoder frozen: for the page's probe."""
    vae = cast(VAE, modules["amortised"])
    model = LatentModel(vae, vae.widths, config.likelihood, config.sigma)
    generator = seeded(config.seed, "evaluation")
    x = inputs(as_tensor(image)[None], config, generator)
    start = model.encode(x)
    course: list[float] = []
    best = refine(
        smooth_conditional(vae.decode, config.likelihood, config.sigma),
        x,
        *(part.clone() for part in start),
        options=RefineOptions(steps=steps),
        generator=generator,
        on_step=lambda elbo: course.append(float(elbo.mean())),
    )
    before, after = (estimate(model, x, posterior=q, n_samples=1000, seed=config.seed) for q in (start, best))
    decoded = [_pictures(vae, q[0])[0, 0] for q in (start, best)]
    pictures = np.stack([image, *decoded])
    return Refined(
        float(before.elbo),
        float(after.elbo),
        float(after.log_prob),
        float(after.standard_error),
        course,
        pictures,
    )
