"""How far a set of importance weights can be trusted: the tail of the weights, fitted by a generalised Pareto law.

Pareto-smoothed importance sampling (Vehtari et al., arXiv:1507.02646): the largest weights are taken for draws of a
generalised Pareto distribution, whose shape k-hat says how many moments the weights have. Beyond 0.5 their variance is
infinite, so that no sample of them shows it; beyond 0.7 neither the mean nor its error can be relied on.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FEWEST = 5
"""Fewest weights in a tail that is fitted."""
FLAT = 1e-4
"""Relative height of a tail that is none: weights which the exact posterior makes equal differ by rounding."""


def fit_pareto(excess: Tensor) -> tuple[Tensor, Tensor]:
    """Fit a generalised Pareto distribution to each row.

    The estimate of Zhang and Stephens (Technometrics 51, 2009), a posterior mean over a grid of theta = -k / sigma,
    with the weak prior of arXiv:1507.02646, appendix C: ten draws of k = 0.5.

    Parameters
    ----------
    excess
        Shape (n, N), float64, rising, not negative: by how much each draw exceeds where the tail begins.

    Returns
    -------
    k, sigma : Tensor
        Shape (n,): shape and scale.
    """
    n = excess.shape[1]
    size = 30 + math.isqrt(n)
    steps = torch.arange(1, size + 1, dtype=excess.dtype, device=excess.device) - 0.5
    quartile = excess[:, int(n / 4 + 0.5) - 1, None].clamp(min=torch.finfo(excess.dtype).tiny)
    theta = 1 / excess[:, -1:] + (1 - (size / steps).sqrt()) / (3 * quartile)  # (n, size)
    k = torch.log1p(-theta[:, :, None] * excess[:, None]).mean(2)
    log_likelihood = n * ((-theta / k).log() - k - 1)
    share = log_likelihood.nan_to_num(nan=-math.inf, posinf=-math.inf).softmax(1)
    best = (share * theta).sum(1)
    k = torch.log1p(-best[:, None] * excess).mean(1)
    return (k * n + 10 * 0.5) / (n + 10), -k / best


def tail_size(n_samples: int) -> int:
    """Return how many of the largest weights are the tail (arXiv:1507.02646, section 3.1)."""
    return math.ceil(min(0.2 * n_samples, 3 * math.sqrt(n_samples)))


def pareto_error(log_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return k-hat of each row, and the standard error of the log mean weight with the smoothed tail.

    The largest weights are replaced by the quantiles of the law that fits them, not cut off at the largest weight, so
    that the error knows of weights which this sample happens not to have.

    Parameters
    ----------
    log_weights
        Shape (n, M), in nats.

    Returns
    -------
    k_hat, standard_error : Tensor
        Shape (n,), float64. Both are NaN where the tail is shorter than five weights or its weights are equal.
    """
    n_samples = log_weights.shape[1]
    size = tail_size(n_samples)
    rows = log_weights.double()
    nothing = torch.full((len(rows),), math.nan, dtype=torch.float64, device=rows.device)
    if size < FEWEST or size >= n_samples:
        return nothing, nothing
    weights = (rows - rows.amax(1, keepdim=True)).exp().sort(1).values
    start = weights[:, -size - 1, None]
    excess = weights[:, -size:] - start
    varied = excess[:, -1] > FLAT * weights[:, -1]
    k, sigma = fit_pareto(torch.where(varied[:, None], excess, torch.arange(1, size + 1).to(excess)))
    chance = (torch.arange(1, size + 1).to(excess) - 0.5) / size
    quantiles = start + sigma[:, None] / k[:, None] * torch.expm1(-k[:, None] * torch.log1p(-chance))
    smoothed = torch.cat([weights[:, :-size], quantiles], 1)
    relative = smoothed / smoothed.mean(1, keepdim=True) - 1
    error = (relative.square().sum(1) / (n_samples * (n_samples - 1))).sqrt()
    return torch.where(varied, k, nothing), torch.where(varied, error, nothing)
