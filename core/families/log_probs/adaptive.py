"""log p(x) with a proposal of its own for every image, and as many samples as that image needs.

The proposal is fitted first (:mod:`core.families.log_probs.proposals`); then blocks of samples are drawn from it, and
their number is doubled until the effective sample size reaches a target, or the samples a cap. Stopping so leaves the
estimate on the low side where a block happens to lack a large weight, as the logarithm does anyway.

As in :mod:`core.families.log_probs.importance`, noise is made from (seed, index of the image) alone, so that values do
not depend on how the work is cut into chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import ConfigError
from core.families.log_probs.importance import (
    MEMORY_BYTES,
    Conditional,
    Estimates,
    check_images,
    image_noise,
    kl_of,
    summarise,
)
from core.families.log_probs.proposals import FREEDOM, PILOTS, Local, Mixture, adapt


@dataclass(frozen=True)
class Effort:
    """How many samples of z an image gets.

    Parameters
    ----------
    block
        Samples drawn at a time; every image gets at least these.
    target
        Effective sample size that ends the drawing.
    most
        Cap on the samples of an image.
    """

    block: int = 1000
    target: float = 20.0
    most: int = 16_000

    def __post_init__(self) -> None:
        if self.block < 10:
            raise ConfigError(f"{self.block} samples are too few to spread over a proposal", "Give at least 10")
        if self.most < self.block:
            raise ConfigError(f"{self.most} samples at most are fewer than the first {self.block}", "Allow more")


@dataclass(frozen=True)
class Sampler:
    """What drawing for a batch of images needs: model, images, their streams of noise, and room for decoder rows."""

    conditional: Conditional
    x: Tensor
    indices: Sequence[int]
    seed: int
    rows: int

    def noise(self, n_samples: int, width: int, stage: int) -> Tensor:
        """Return the standard normals (n, n_samples, width) of a stage."""
        streams = [image_noise(self.seed, index, n_samples, width, stage) for index in self.indices]
        return torch.stack(streams).to(self.x)

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Return log p(x|z), (n, m), decoding no more rows at a time than there is room for."""
        n, m, _ = z.shape
        step, width = max(1, self.rows // m), min(m, self.rows)
        found = self.x.new_empty(n, m)
        for first in range(0, n, step):
            images = slice(first, first + step)
            for start in range(0, m, width):
                part = slice(start, start + width)
                found[images, part] = self.conditional(self.x[images], z[images, part])
        return found

    def log_joint(self, z: Tensor) -> Tensor:
        """Return log p(x, z), (n, m)."""
        return self.log_likelihood(z) + log_prior(z)

    def only(self, place: int) -> Sampler:
        """Return the sampler of one of the images."""
        images = slice(place, place + 1)
        return Sampler(self.conditional, self.x[images], self.indices[images], self.seed, self.rows)


def log_prior(z: Tensor) -> Tensor:
    """Return the log density of the standard normal prior, over the last dimension."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))


def fitted(sampler: Sampler, local: Local, posterior: tuple[Tensor, Tensor]) -> Mixture:
    """Return each image's proposal; its pilots have the stages 1, 2, ..."""
    width = posterior[0].shape[1] + FREEDOM
    noise = [sampler.noise(size, width, stage) for stage, size in enumerate(PILOTS, 1)]
    return adapt(local, posterior, sampler.x, sampler.log_joint, noise)


def draw_block(sampler: Sampler, proposal: Mixture, size: int, number: int) -> tuple[Tensor, Tensor]:
    """Return log weights and log p(x|z), both (n, size), of the draws of one block."""
    width = proposal.components[0].mean.shape[1] + FREEDOM
    z = proposal.draw(sampler.noise(size, width, 1 + len(PILOTS) + number))
    log_px = sampler.log_likelihood(z)
    return log_px + log_prior(z) - proposal.log_density(z), log_px


def continue_drawing(sampler: Sampler, proposal: Mixture, log_w: Tensor, effort: Effort) -> Tensor:
    """Return the log weights (1, M) of one image, the first block's among them, when enough have been drawn."""
    blocks, most = 1, effort.most // effort.block
    while blocks < most and effective_samples(log_w) < effort.target:
        upto = min(2 * blocks, most)
        more = [draw_block(sampler, proposal, effort.block, number)[0] for number in range(blocks, upto)]
        log_w, blocks = torch.cat([log_w, *more], 1), upto
    return log_w


def effective_samples(log_w: Tensor) -> float:
    """Return the effective sample size of one row of log weights."""
    return 1 / float(log_w.softmax(1).square().sum())


@torch.inference_mode()
def adaptive_importance_sample(
    conditional: Conditional,
    local: Local,
    x: Tensor,
    posterior: tuple[Tensor, Tensor],
    *,
    effort: Effort,
    row_bytes: int,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Estimates:
    """Estimate log p(x) of every image from a proposal fitted to it.

    Parameters
    ----------
    conditional
        See :data:`core.families.log_probs.importance.Conditional`.
    local
        See :data:`core.families.log_probs.proposals.Local`.
    x, posterior
        Images (n, pixels) in [0, 1], and mean and log-variance of q(z|x), both (n, d).
    effort
        See :class:`Effort`.
    row_bytes, seed, indices, memory_bytes, on_progress
        See :func:`core.families.log_probs.importance.importance_sample`.

    Returns
    -------
    Estimates
        ``reconstruction`` is the mean over the first block's draws from q(z|x); there are no ``bounds``.
    """
    check_images(x)
    step = images_at_once(effort.block, posterior[0].shape[1], row_bytes, x.element_size(), memory_bytes)
    places = range(len(x)) if indices is None else indices
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(x), step):
        part = slice(start, min(start + step, len(x)))
        sampler = Sampler(conditional, x[part], places[part], seed, decoder_rows(row_bytes, memory_bytes))
        parts.append(_measure(sampler, local, (posterior[0][part], posterior[1][part]), effort))
        if on_progress:
            on_progress(part.stop, len(x))
    log_prob, error, effective, k_hat, samples, reconstruction = (torch.cat(part) for part in zip(*parts, strict=True))
    nothing = x.new_empty(len(x), 0)
    return Estimates(log_prob, error, effective, k_hat, samples, reconstruction, kl_of(*posterior), nothing)


@torch.inference_mode()
def fitted_weights(
    conditional: Conditional,
    local: Local,
    x: Tensor,
    posterior: tuple[Tensor, Tensor],
    *,
    n_samples: int,
    row_bytes: int,
    seed: int = 0,
    memory_bytes: int = MEMORY_BYTES,
) -> tuple[Tensor, Tensor]:
    """Return the log weights of ``n_samples`` draws from a fitted proposal, (n, n_samples), and E_q log p(x|z), (n,).

    The draws of the mixture's components are shuffled, so that any first part of them is a sample of the mixture.
    Parameters as in :func:`adaptive_importance_sample`.
    """
    check_images(x)
    sampler = Sampler(conditional, x, range(len(x)), seed, decoder_rows(row_bytes, memory_bytes))
    proposal = fitted(sampler, local, posterior)
    log_w, log_px = draw_block(sampler, proposal, n_samples, 0)
    order = torch.randperm(n_samples, generator=torch.Generator().manual_seed(seed))
    return log_w[:, order], log_px[:, : proposal.counts(n_samples)[0]].mean(1)


def decoder_rows(row_bytes: int, memory_bytes: int) -> int:
    """Return how many samples half the memory holds while they are decoded."""
    return max(1, memory_bytes // 2 // row_bytes)


def images_at_once(block: int, latent_dim: int, row_bytes: int, itemsize: int, memory_bytes: int) -> int:
    """Return how many images half the memory holds: their noise, draws and a temporary, or their decoder's slopes."""
    drawing = 4 * block * (latent_dim + FREEDOM) * itemsize
    fitting = 2 * (latent_dim + 1) * row_bytes
    return max(1, memory_bytes // 2 // max(drawing, fitting))


def _measure(sampler: Sampler, local: Local, posterior: tuple[Tensor, Tensor], effort: Effort) -> tuple[Tensor, ...]:
    """Return log_prob, standard_error, effective_samples, pareto_k, samples and reconstruction, each (n,)."""
    proposal = fitted(sampler, local, posterior)
    log_w, log_px = draw_block(sampler, proposal, effort.block, 0)
    reconstruction = log_px[:, : proposal.counts(effort.block)[0]].mean(1)
    first = summarise(log_w)
    columns = [*first, torch.full_like(first.log_prob, effort.block)]
    for place in (first.effective_samples < effort.target).nonzero().flatten().tolist():
        whole = continue_drawing(sampler.only(place), proposal.only(place), log_w[place, None], effort)
        for column, value in zip(columns, (*summarise(whole), whole.new_tensor([whole.shape[1]])), strict=True):
            column[place] = value[0]
    return *columns, reconstruction
