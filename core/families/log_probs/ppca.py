"""Probabilistic PCA with a given noise: a linear-Gaussian latent-variable model whose log p(x) is exact.

The model is ``z ~ N(0, I)``, ``x | z ~ N(W z + mean, sigma^2 I)`` (Tipping and Bishop, J. R. Statist. Soc. B 61,
1999), that is a VAE whose decoder is linear. Because sigma is given and not fitted, it stands beside a VAE with the
same pixel noise: whatever the VAE gains over it is due to the non-linear decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import ConfigError, DataError


@dataclass(frozen=True)
class ProbabilisticPCA:
    """A fitted model.

    Attributes
    ----------
    mean
        Shape (pixels,).
    directions
        Shape (pixels, latent_dim): orthonormal principal directions.
    variances
        Shape (latent_dim,): variance of x along them, always above ``sigma ** 2``.
    sigma
        Standard deviation of the noise of a pixel.
    """

    mean: Tensor
    directions: Tensor
    variances: Tensor
    sigma: float

    @property
    def latent_dim(self) -> int:
        """Number of latent dimensions in use."""
        return len(self.variances)

    @property
    def loadings(self) -> Tensor:
        """W of the model, shape (pixels, latent_dim)."""
        return self.directions * (self.variances - self.sigma**2).sqrt()

    def log_density(self, x: Tensor) -> Tensor:
        """Return the exact log p(x) in nats, shape (n,), of images (n, pixels).

        With the eigenvalues of ``W W' + sigma^2 I`` known, neither inverse nor determinant is computed.
        """
        return torch.cat([self._log_density(part.to(self.mean)) for part in x.split(5000)])

    def _log_density(self, x: Tensor) -> Tensor:
        centred = x - self.mean
        along = centred @ self.directions  # (n, latent_dim)
        inside = along.square().sum(1)
        outside = (centred.square().sum(1) - inside).clamp_min(0)
        n_pixels = len(self.mean)
        log_det = self.variances.log().sum() + 2 * (n_pixels - self.latent_dim) * math.log(self.sigma)
        mahalanobis = (along.square() / self.variances).sum(1) + outside / self.sigma**2
        return -0.5 * (n_pixels * math.log(2 * math.pi) + log_det + mahalanobis)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the exact posterior p(z|x), both (n, latent_dim).

        W's columns are orthogonal, so the posterior's covariance is diagonal: the exact posterior lies in a
        VAE's family of q.
        """
        along = (x.to(self.mean) - self.mean) @ self.directions
        mean = along * (self.variances - self.sigma**2).sqrt() / self.variances
        logvar = (self.sigma**2 / self.variances).log()
        return mean, logvar.expand_as(mean)


def fit_ppca(x: Tensor, sigma: float, latent_dim: int | None = None) -> ProbabilisticPCA:
    """Fit by maximum likelihood for the given noise.

    Parameters
    ----------
    x
        Training images, shape (n, pixels), n >= 2; computed in float64.
    sigma
        Standard deviation of a pixel's noise.
    latent_dim
        Most latent dimensions to use; all that help if None. Only directions whose variance exceeds ``sigma ** 2``
        raise the likelihood (the maximum has W = U (Lambda - sigma^2)^(1/2)), so fewer may be used.
    """
    if x.ndim != 2 or len(x) < 2:
        raise DataError(f"{tuple(x.shape)} is no set of flat images", "Give at least two images, shape (n, pixels)")
    if not (math.isfinite(sigma) and sigma > 0):
        raise ConfigError(f"sigma = {sigma} is not allowed", "Give a positive number")
    mean = x.mean(0, dtype=torch.float64)
    covariance = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    for part in x.split(5000):  # in pieces: all images in float64, centred, would need a gigabyte
        centred = part.double() - mean
        covariance.addmm_(centred.T, centred, alpha=1 / len(x))
    values, vectors = torch.linalg.eigh(covariance)
    useful = int((values > sigma**2).sum())
    kept = useful if latent_dim is None else min(latent_dim, useful)
    order = torch.arange(len(values) - 1, len(values) - 1 - kept, -1)
    return ProbabilisticPCA(mean, vectors[:, order], values[order], sigma)
