"""What measuring log p(x) needs of a model (encoder, decoder, likelihood), and the measurements made with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.families.log_probs.adaptive import Effort, adaptive_importance_sample, fitted_weights
from core.families.log_probs.annealing import AISEstimates, AISOptions, annealed_importance_sample
from core.families.log_probs.importance import (
    MEMORY_BYTES,
    Estimates,
    check_images,
    dense_row_bytes,
    importance_sample,
    kl_of,
    running_log_prob,
    sampling_conditional,
    smooth_conditional,
    summarise,
)
from core.families.log_probs.proposals import gauss_newton

ENCODED_AT_ONCE = 2000


class Coder(Protocol):
    """An encoder of means and log-variances and a decoder of logits."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X (n, pixels) -> mu, logvar, each (n, latent_dim)."""

    def decode(self, z: Tensor) -> Tensor:
        """Z (..., latent_dim) -> logits (..., pixels)."""


@dataclass(frozen=True)
class LatentModel:
    """A frozen model p(x, z) with its approximate posterior q(z|x).

    Attributes
    ----------
    coder
        Encoder and decoder, in eval mode.
    widths
        Widths of the decoder's layers, latent_dim first and pixels last: they bound its working memory.
    likelihood, sigma
        See :func:`core.families.vaes.likelihood.log_likelihood`.
    """

    coder: Coder
    widths: tuple[int, ...]
    likelihood: str
    sigma: float

    @property
    def latent_dim(self) -> int:
        """Dimension of z."""
        return self.widths[0]

    @torch.inference_mode()
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of images (n, pixels) in [0, 1]; others are refused with a DataError."""
        check_images(x, self.widths[-1])
        parts = [self.coder.encode(part) for part in x.split(ENCODED_AT_ONCE)]
        mu, logvar = (torch.cat(column) for column in zip(*parts, strict=True))
        return mu, logvar


Posterior = tuple[Tensor, Tensor]
OnProgress = Callable[[int, int], None]


def estimate(
    model: LatentModel,
    x: Tensor,
    *,
    n_samples: int,
    posterior: Posterior | None = None,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    bound_sizes: Sequence[int] = (),
    memory_bytes: int = MEMORY_BYTES,
    on_progress: OnProgress | None = None,
) -> Estimates:
    """Estimate log p(x) of images (n, pixels) by importance sampling from q(z|x), or from ``posterior``.

    See :func:`core.families.log_probs.importance.importance_sample`.
    """
    mu, logvar = model.encode(x) if posterior is None else posterior
    return importance_sample(
        sampling_conditional(model.coder.decode, model.likelihood, model.sigma),
        x,
        mu,
        logvar,
        n_samples=n_samples,
        row_bytes=dense_row_bytes(model.widths),
        seed=seed,
        indices=indices,
        bound_sizes=bound_sizes,
        memory_bytes=memory_bytes,
        on_progress=on_progress,
    )


def measure(
    model: LatentModel,
    x: Tensor,
    *,
    effort: Effort,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    on_progress: OnProgress | None = None,
) -> Estimates:
    """Estimate log p(x) of images (n, pixels) from a proposal fitted to each, with as many samples as it needs.

    See :func:`core.families.log_probs.adaptive.adaptive_importance_sample`.
    """
    return adaptive_importance_sample(
        sampling_conditional(model.coder.decode, model.likelihood, model.sigma),
        gauss_newton(model.coder.decode, model.likelihood, model.sigma),
        x,
        model.encode(x),
        effort=effort,
        row_bytes=dense_row_bytes(model.widths),
        seed=seed,
        indices=indices,
        memory_bytes=memory_bytes,
        on_progress=on_progress,
    )


def anneal(
    model: LatentModel,
    x: Tensor,
    *,
    options: AISOptions,
    generator: torch.Generator,
    on_progress: OnProgress | None = None,
) -> AISEstimates:
    """Estimate log p(x) of images (n, pixels) by annealed importance sampling from the prior."""
    conditional = smooth_conditional(model.coder.decode, model.likelihood, model.sigma)
    return annealed_importance_sample(
        conditional, x, model.latent_dim, options=options, generator=generator, on_progress=on_progress
    )


@dataclass(frozen=True)
class Reading:
    """One image's log p(x), in nats, with its error bar and how it came about.

    ``running`` is (samples so far, estimate) at rising numbers of samples; ``pareto_k`` is k-hat of the weights.
    """

    log_prob: float
    standard_error: float
    effective_samples: float
    pareto_k: float
    reconstruction: float
    kl: float
    running: list[tuple[int, float]]

    @property
    def elbo(self) -> float:
        """Reconstruction minus KL."""
        return self.reconstruction - self.kl


@torch.inference_mode()
def read_image(model: LatentModel, x: Tensor, *, n_samples: int = 1000, seed: int = 0, points: int = 60) -> Reading:
    """Measure one image (1, pixels) from a fitted proposal: what the page shows when the reader picks or draws one."""
    posterior = model.encode(x[:1])
    log_w, reconstruction = fitted_weights(
        sampling_conditional(model.coder.decode, model.likelihood, model.sigma),
        gauss_newton(model.coder.decode, model.likelihood, model.sigma),
        x[:1],
        posterior,
        n_samples=n_samples,
        row_bytes=dense_row_bytes(model.widths),
        seed=seed,
    )
    log_prob, error, effective, k_hat = (float(value) for value in summarise(log_w))
    running = running_log_prob(log_w)[0]
    counts = torch.logspace(0, torch.log10(torch.tensor(float(n_samples))), points).round().int().unique().tolist()
    counts = [min(count, n_samples) for count in counts]
    return Reading(
        log_prob,
        error,
        effective,
        k_hat,
        reconstruction=float(reconstruction),
        kl=float(kl_of(*posterior)),
        running=[(count, float(running[count - 1])) for count in counts],
    )


def image_table(found: Estimates, places: NDArray[np.int64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Return the image table of some estimates: see :mod:`core.families.log_probs.tables`."""
    names = ("log_prob", "standard_error", "effective_samples", "pareto_k", "samples", "reconstruction", "kl")
    columns = {name: getattr(found, name).double().cpu().numpy() for name in names}
    return pd.DataFrame({"index": places, "label": labels[places], **columns})
