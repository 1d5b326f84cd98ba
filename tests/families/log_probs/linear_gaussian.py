"""A linear-Gaussian VAE: the model whose log p(x), posterior and bounds are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LinearGaussian:
    """x = W z + b + sigma * noise, with z ~ N(0, I); float64."""

    weight: Tensor  # (pixels, latent_dim)
    bias: Tensor  # (pixels,)
    sigma: float

    def conditional(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z), (n, m)."""
        mean = z @ self.weight.T + self.bias
        return torch.distributions.Normal(mean, self.sigma).log_prob(x[:, None]).sum(-1)

    def local(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x, z) up to a constant (n,), its gradient (n, d) and the posterior's precision (n, d, d)."""
        error = x - z @ self.weight.T - self.bias
        precision = torch.eye(z.shape[1], dtype=torch.float64) + self.weight.T @ self.weight / self.sigma**2
        value = -0.5 * (error.square().sum(1) / self.sigma**2 + z.square().sum(1))
        return value, error @ self.weight / self.sigma**2 - z, precision.expand(len(z), -1, -1)

    def log_density(self, x: Tensor) -> Tensor:
        """Exact log p(x), from torch's own multivariate normal."""
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(len(self.bias), dtype=torch.float64)
        return torch.distributions.MultivariateNormal(self.bias, covariance).log_prob(x)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Exact mean and log-variance of p(z|x); needs orthogonal columns of W."""
        precision = torch.eye(self.weight.shape[1], dtype=torch.float64) + self.weight.T @ self.weight / self.sigma**2
        mean = torch.linalg.solve(precision, self.weight.T @ (x - self.bias).T / self.sigma**2).T
        return mean, -precision.diagonal().log().expand_as(mean)


def make(pixels: int = 12, latent_dim: int = 3, sigma: float = 0.4, seed: int = 0) -> LinearGaussian:
    """A model with orthogonal loadings, so that its posterior is diagonal."""
    generator = torch.Generator().manual_seed(seed)
    square, _ = torch.linalg.qr(torch.randn(pixels, latent_dim, generator=generator, dtype=torch.float64))
    scales = torch.linspace(0.5, 1.0, latent_dim, dtype=torch.float64)
    return LinearGaussian(square * scales, torch.full((pixels,), 0.5, dtype=torch.float64), sigma)


def images(model: LinearGaussian, n: int, seed: int = 1) -> Tensor:
    """Draws from the model, clipped to [0, 1]: any point has a density, so clipping does no harm."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, model.weight.shape[1], generator=generator, dtype=torch.float64)
    noise = torch.randn(n, len(model.bias), generator=generator, dtype=torch.float64)
    return (z @ model.weight.T + model.bias + model.sigma * noise).clamp(0, 1)
