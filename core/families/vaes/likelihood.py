"""The terms of the evidence lower bound, per example and in nats (arXiv:1312.6114, eq. 3).

``elbo = E_q log p(x|z) - KL(q(z|x) || p(z))``: sums over pixels and over latent dimensions, never means, so that
the bound that is trained is the bound that is reported.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from core.errors import ConfigError

LIKELIHOODS = ("gaussian", "bernoulli")


def gaussian_log_likelihood(logits: Tensor, x: Tensor, sigma: float) -> Tensor:
    """Return ``log N(x; sigmoid(logits), sigma^2 I)`` with its normalising constant, shape (..., batch)."""
    constant = -0.5 * x.shape[-1] * math.log(2 * math.pi * sigma**2)
    return constant - (x - logits.sigmoid()).square().sum(-1) / (2 * sigma**2)


def bernoulli_log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Return ``sum_i x_i log p_i + (1 - x_i) log(1 - p_i)`` with ``p = sigmoid(logits)``, shape (..., batch)."""
    target = x.expand(logits.shape)
    return -F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(-1)


def log_likelihood(logits: Tensor, x: Tensor, *, likelihood: str, sigma: float = 0.4) -> Tensor:
    """Return log p(x|z) in nats.

    Parameters
    ----------
    logits
        Shape (..., batch, pixels); leading dimensions are samples of z.
    x
        Shape (batch, pixels), values in [0, 1].
    likelihood
        ``"gaussian"`` (with standard deviation ``sigma``) or ``"bernoulli"``.

    Returns
    -------
    Tensor
        Shape (..., batch).
    """
    if likelihood == "gaussian":
        return gaussian_log_likelihood(logits, x, sigma)
    if likelihood == "bernoulli":
        return bernoulli_log_likelihood(logits, x)
    raise ConfigError(f"there is no likelihood {likelihood[:40]!r}", "Use one of: " + ", ".join(LIKELIHOODS))


def kl_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension, in nats (arXiv:1312.6114, appendix B).

    Parameters
    ----------
    mu, logvar
        Shape (batch, latent_dim).

    Returns
    -------
    Tensor
        Shape (batch, latent_dim), not negative up to rounding; sum over the last axis for the KL of an image.
    """
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1)
