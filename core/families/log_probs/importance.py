"""log p(x) of a latent-variable model by importance sampling from an approximate posterior.

With ``z_m ~ q(z|x) = N(mu, diag(exp(logvar)))`` and weights ``w_m = p(x|z_m) p(z_m) / q(z_m|x)``, the mean weight
is an unbiased estimate of p(x). Its logarithm, taken with logsumexp, is the estimate of log p(x) here; in
expectation it is the bound of Burda et al. (IWAE, arXiv:1509.00519, eq. 8), so it errs on the low side.

Every image has its own stream of noise, made from (seed, index of the image) alone. A value therefore does not
depend on how the work is cut into chunks, nor on which other images are evaluated with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from core.errors import ConfigError, DataError
from core.families.log_probs.pareto import pareto_error
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood

Conditional = Callable[[Tensor, Tensor], Tensor]
"""``(x (n, pixels), z (n, m, latent_dim)) -> log p(x|z) (n, m)`` in nats."""

MEMORY_BYTES = 16 * 2**20
"""Default bound on the working memory of a chunk, chosen by benchmark: larger chunks fall out of the cache."""


@dataclass(frozen=True)
class Estimates:
    """Per-image results of importance sampling, in nats.

    Attributes
    ----------
    log_prob
        Shape (n,): the estimate of log p(x).
    standard_error
        Shape (n,): its standard error, see :class:`Summary`.
    effective_samples
        Shape (n,): ``(sum w)^2 / sum w^2``, between 1 and M (Kong 1992).
    pareto_k
        Shape (n,): k-hat of the weights' tail (:mod:`core.families.log_probs.pareto`); NaN where it cannot be fitted.
    samples
        Shape (n,): M, the samples that were drawn.
    reconstruction
        Shape (n,): ``E_q log p(x|z)``, the mean over the samples of q(z|x).
    kl
        Shape (n,): KL from q(z|x) to the standard normal prior, in closed form.
    bounds
        Shape (n, number of sizes): estimates of the IWAE bound with k samples, for each k asked for.
    """

    log_prob: Tensor
    standard_error: Tensor
    effective_samples: Tensor
    pareto_k: Tensor
    samples: Tensor
    reconstruction: Tensor
    kl: Tensor
    bounds: Tensor

    @property
    def elbo(self) -> Tensor:
        """Shape (n,): reconstruction minus KL."""
        return self.reconstruction - self.kl


def check_images(x: Tensor, n_pixels: int | None = None) -> None:
    """Refuse what is no batch of flat images in [0, 1]; raise DataError saying what was given."""
    if x.ndim != 2 or (n_pixels is not None and x.shape[1] != n_pixels):
        wanted = "(images, pixels)" if n_pixels is None else f"(images, {n_pixels})"
        raise DataError(f"images of shape {tuple(x.shape)} cannot be evaluated", f"Give the shape {wanted}")
    if x.numel() == 0:
        raise DataError("there is no image to evaluate", "Give at least one image")
    low, high = float(x.min()), float(x.max())
    # NaN fails both comparisons, so it is refused here too.
    if not (low >= 0 and high <= 1):
        raise DataError(f"pixels from {low:g} to {high:g} cannot be evaluated", "Give finite values in [0, 1]")


def image_noise(seed: int, index: int, n_samples: int, latent_dim: int, stage: int = 0) -> Tensor:
    """Return the standard normal draws of one image, shape (n_samples, latent_dim), float32 on the CPU.

    Different stages of measuring an image have different draws.
    """
    state = np.random.SeedSequence([seed, index, stage]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & (2**63 - 1))
    return torch.randn(n_samples, latent_dim, generator=generator)


class Summary(NamedTuple):
    """What weights say of each image, four tensors of shape (n,).

    ``standard_error`` is of the logarithm, by the delta method, ``sd(w) / (mean(w) sqrt(M))``. A sample without one of
    the rare large weights would give too small a value; where the tail can be fitted, it is therefore at least that of
    the weights with a smoothed tail (:func:`core.families.log_probs.pareto.pareto_error`). It is 0 where all weights
    are equal, which is what the exact posterior gives.
    """

    log_prob: Tensor
    standard_error: Tensor
    effective_samples: Tensor
    pareto_k: Tensor


def summarise(log_weights: Tensor) -> Summary:
    """Return log mean weight, its standard error, the effective sample size and k-hat of each row.

    Parameters
    ----------
    log_weights
        Shape (n, M), M >= 2, in nats.
    """
    n_samples = log_weights.shape[1]
    if n_samples < 2:
        raise ConfigError(f"{n_samples} sample gives no standard error", "Ask for at least 2 samples")
    total = log_weights.logsumexp(1)
    shares = (log_weights - total[:, None]).exp()  # normalised weights, sum 1
    spread = (shares - 1 / n_samples).square().sum(1)
    standard_error = (spread * n_samples / (n_samples - 1)).sqrt()
    k_hat, smoothed_error = pareto_error(log_weights)
    standard_error = torch.fmax(standard_error, smoothed_error.to(standard_error))  # the other one where one is NaN
    return Summary(total - math.log(n_samples), standard_error, 1 / shares.square().sum(1), k_hat.to(standard_error))


def nested_bounds(log_weights: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return estimates of the IWAE bound L_k for each k, all from the same weights.

    The M weights are cut into groups of k, and L_k is the mean over the groups of ``log mean w``: unbiased for
    L_k. Where each size divides the next, the estimates rise with k on every image and not only in
    expectation, because groups of one size are unions of groups of the size before (Jensen's inequality).

    Parameters
    ----------
    log_weights
        Shape (n, M).
    sizes
        Values of k between 1 and M.

    Returns
    -------
    Tensor
        Shape (n, len(sizes)).
    """
    n, n_samples = log_weights.shape
    columns = []
    for k in sizes:
        if not 1 <= k <= n_samples:
            raise ConfigError(f"k = {k} is not between 1 and the {n_samples} samples", "Choose other sizes")
        groups = n_samples // k
        # (n, groups, k)
        grouped = log_weights[:, : groups * k].reshape(n, groups, k)
        columns.append((grouped.logsumexp(2) - math.log(k)).mean(1))
    return torch.stack(columns, 1) if columns else log_weights.new_empty(n, 0)


def kl_of(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the KL of each image, shape (n,), from q(z|x) to the standard normal prior."""
    return kl_standard_normal(mu, logvar).sum(1)


def running_log_prob(log_weights: Tensor) -> Tensor:
    """Return the estimate after 1, 2, ... M samples, shape (n, M): how it settles for one image."""
    counts = torch.arange(1, log_weights.shape[1] + 1, dtype=log_weights.dtype, device=log_weights.device)
    return log_weights.logcumsumexp(1) - counts.log()


def sampling_conditional(decode: Callable[[Tensor], Tensor], likelihood: str, sigma: float) -> Conditional:
    """Return log p(x|z) of a decoder that gives logits, written for speed and without gradients.

    It equals the model's own likelihood and exists because sampling evaluates it millions of times: it
    works in place on the logits, so a chunk needs one buffer of pixels instead of four.

    Parameters
    ----------
    decode
        ``z (rows, latent_dim) -> logits (rows, pixels)``; the result must not be kept by the caller.
    likelihood
        ``"gaussian"`` (mean sigmoid(logits), standard deviation ``sigma``) or ``"bernoulli"``.
    sigma
        Standard deviation of a pixel, used by the Gaussian likelihood.
    """
    if likelihood not in ("gaussian", "bernoulli"):
        raise ConfigError(f"{likelihood[:40]!r} is no likelihood", "Choose gaussian or bernoulli")

    def conditional(x: Tensor, z: Tensor) -> Tensor:
        n, m, latent_dim = z.shape
        logits = decode(z.reshape(n * m, latent_dim)).view(n, m, -1)
        if likelihood == "bernoulli":
            agreement = torch.bmm(logits, x[:, :, None]).squeeze(2)
            return agreement - torch.nn.functional.softplus(logits).sum(2)
        error = logits.sigmoid_().sub_(x[:, None]).view(n * m, -1)
        # A norm reads the buffer once; squaring first would write it again.
        squared: Tensor = torch.linalg.vector_norm(error, dim=1).square_().view(n, m)
        return squared.mul_(-0.5 / sigma**2).sub_(x.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi)))

    return conditional


def smooth_conditional(decode: Callable[[Tensor], Tensor], likelihood: str, sigma: float) -> Conditional:
    """Return the same log p(x|z) differentiable in z, for what follows gradients; parameters as above."""

    def conditional(x: Tensor, z: Tensor) -> Tensor:
        # the likelihood broadcasts over leading dimensions: (m, n, pixels) against (n, pixels)
        return log_likelihood(decode(z.transpose(0, 1)), x, likelihood=likelihood, sigma=sigma).T

    return conditional


def dense_row_bytes(widths: Sequence[int], itemsize: int = 4) -> int:
    """Return the working memory of one sample in a dense decoder with layers of these widths (latent_dim first).

    While a layer runs, its input and its output are held, and the activation that follows writes a third buffer;
    the likelihood needs at most one more buffer of pixels.
    """
    return itemsize * (sum(sorted(widths)[-2:]) + max(widths))


def weight_chunks(
    conditional: Conditional,
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    n_samples: int,
    row_bytes: int,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield ``(images, log_weights, log_p_x_given_z)`` of a few images at a time, both of shape (images, n_samples).

    Parameters
    ----------
    conditional
        See :data:`Conditional`.
    x, mu, logvar
        Images (n, pixels) in [0, 1], and mean and log-variance of q(z|x), both (n, latent_dim).
    n_samples
        Samples per image, M.
    row_bytes
        Working memory of one sample in the decoder, in bytes.
    seed, indices
        Noise is made from (seed, index of the image); by default the indices are 0 ... n-1.
    memory_bytes
        Bound on the working memory: noise, weights and decoder activations of a chunk together.
    """
    image_bytes = n_samples * (mu.shape[1] + 3) * x.element_size()  # noise, two results and one temporary
    whole = image_bytes + n_samples * row_bytes
    rows = n_samples if whole <= memory_bytes else (memory_bytes - image_bytes) // row_bytes
    if rows < 1:
        needed = image_bytes + row_bytes
        raise ConfigError(
            f"{n_samples} samples do not fit into {memory_bytes:,} bytes",
            f"Allow at least {needed:,} bytes or take fewer samples",
        )
    step = max(1, memory_bytes // whole)
    order = range(len(x)) if indices is None else indices
    for start in range(0, len(x), step):
        images = slice(start, min(start + step, len(x)))
        streams = [image_noise(seed, order[i], n_samples, mu.shape[1]) for i in range(images.start, images.stop)]
        noise = torch.stack(streams).to(mu)  # (images, M, latent_dim)
        log_w = x.new_empty(len(noise), n_samples)
        log_px = torch.empty_like(log_w)
        for first in range(0, n_samples, rows):
            part = slice(first, first + rows)
            eps = noise[:, part]
            z = torch.addcmul(mu[images, None], (0.5 * logvar[images, None]).exp(), eps)
            log_px[:, part] = conditional(x[images], z)
            # log p(z) - log q(z|x): the normalisers of the two normals cancel but for the log-variance
            prior_ratio = 0.5 * (eps.square_().sum(2) - z.square_().sum(2) + logvar[images].sum(1, keepdim=True))
            log_w[:, part] = log_px[:, part] + prior_ratio
        yield images, log_w, log_px


@torch.inference_mode()
def importance_sample(
    conditional: Conditional,
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    n_samples: int,
    row_bytes: int,
    seed: int = 0,
    indices: Sequence[int] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    bound_sizes: Sequence[int] = (),
    on_progress: Callable[[int, int], None] | None = None,
) -> Estimates:
    """Estimate log p(x) of every image; see :func:`weight_chunks` for the parameters.

    ``on_progress`` is called with (images done, images in all) after each chunk.
    """
    check_images(x)
    parts: list[tuple[Tensor, ...]] = []
    for images, log_w, log_px in weight_chunks(
        conditional,
        x,
        mu,
        logvar,
        n_samples=n_samples,
        row_bytes=row_bytes,
        seed=seed,
        indices=indices,
        memory_bytes=memory_bytes,
    ):
        samples = torch.full_like(log_w[:, 0], n_samples)
        parts.append((*summarise(log_w), samples, log_px.mean(1), nested_bounds(log_w, bound_sizes)))
        if on_progress:
            on_progress(images.stop, len(x))
    log_prob, error, effective, k_hat, samples, reconstruction, bounds = (
        torch.cat(column) for column in zip(*parts, strict=True)
    )
    return Estimates(log_prob, error, effective, k_hat, samples, reconstruction, kl_of(mu, logvar), bounds)
