"""Where z is drawn from to measure one image: a mixture fitted to that image's own posterior.

The encoder's q(z|x), a diagonal normal, fits the posterior badly on some images: a few weights then carry the estimate.
Here every image gets a proposal of its own, in three steps.

1. The posterior's mode and curvature by damped Gauss-Newton steps from the encoder's mean (Laplace's approximation).
2. A multivariate t with five degrees of freedom there, whose tails are heavier than the posterior's (Geweke,
   Econometrica 57, 1989).
3. Twice, a pilot sample of the mixture so far, and a second t with the mean and covariance of the weighted pilot
   (adaptive importance sampling, Cappé et al., arXiv:0710.4242). Pilots are thrown away, so that the estimate is
   unbiased whatever they were.

A tenth of the draws is the encoder's: a defensive mixture (Owen and Zhou, J. Am. Stat. Assoc. 95, 2000) keeps every
weight below ten times what q(z|x) alone would give. Draws are spread over the components in fixed numbers, and
weighted by the whole mixture's density.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FREEDOM = 5
"""Degrees of freedom of the t distributions; a whole number, so that a chi-squared draw is a sum of squared normals."""
WIDENING = 1.05
"""Factor on the scale of Laplace's approximation."""
DEFENCE = 0.1
"""Share of the draws that come from q(z|x)."""
NEWTON_STEPS = 4
DIFFERENCE = 0.01
"""Step of the finite differences in z, whose prior has unit scale."""
PILOTS = (200, 200)
"""Samples of each pilot."""
LARGEST_SHARE = 0.1
"""Weights of a pilot are cut at this share of the whole, lest one of them be the whole."""

Local = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""``(x (n, pixels), z (n, d)) -> value (n,), gradient (n, d), precision (n, d, d)``: log p(x, z) up to a constant, its
gradient in z, and minus its curvature or what stands for it, positive definite."""


def gauss_newton(decode: Callable[[Tensor], Tensor], likelihood: str, sigma: float) -> Local:
    """Return the local shape of log p(x, z) for a decoder of logits and a standard normal prior.

    The curvature is the prior's plus the likelihood's expected one (Fisher information), which needs the decoder's
    first derivatives only; these are finite differences, so any decoder will do.

    Parameters
    ----------
    decode
        ``z (rows, d) -> logits (rows, pixels)``.
    likelihood, sigma
        See :func:`core.families.vaes.likelihood.log_likelihood`.
    """

    def local(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, d = z.shape
        identity = torch.eye(d, dtype=z.dtype, device=z.device)
        around = torch.cat([z[:, None], z[:, None] + DIFFERENCE * identity], 1)  # (n, 1 + d, d)
        logits = decode(around.reshape(n * (d + 1), d)).view(n, d + 1, -1)
        slopes = (logits[:, 1:] - logits[:, :1]) / DIFFERENCE  # (n, d, pixels)
        mean = logits[:, 0].sigmoid()
        variance = mean * (1 - mean)
        if likelihood == "gaussian":
            slopes = slopes * (variance / sigma)[:, None]  # of the mean, in standard deviations
            residual, root = (x - mean) / sigma, torch.ones_like(mean)
            log_px = -0.5 * residual.square().sum(1)
        else:
            residual, root = x - mean, variance.sqrt()
            log_px = (x * logits[:, 0]).sum(1) - torch.nn.functional.softplus(logits[:, 0]).sum(1)
        gradient = torch.bmm(slopes, residual[:, :, None]).squeeze(2) - z
        scaled = slopes * root[:, None]
        return log_px - 0.5 * z.square().sum(1), gradient, torch.bmm(scaled, scaled.mT) + identity

    return local


def find_mode(local: Local, x: Tensor, start: Tensor, steps: int = NEWTON_STEPS) -> tuple[Tensor, Tensor]:
    """Return a mode of p(z|x), (n, d), and the precision there, (n, d, d), by Levenberg-Marquardt steps from ``start``.

    A step that does not raise log p(x, z) is taken back and the next one is shorter (Marquardt, SIAM J. 11, 1963).
    """
    z, damping = start, torch.full((len(start), 1, 1), 0.01, dtype=start.dtype, device=start.device)
    value, gradient, precision = local(x, z)
    for _ in range(steps):
        damped = precision + damping * torch.diag_embed(precision.diagonal(dim1=1, dim2=2))
        there = z + torch.linalg.solve(damped, gradient)
        new_value, new_gradient, new_precision = local(x, there)
        better = new_value > value  # false for NaN
        value = torch.where(better, new_value, value)
        z = torch.where(better[:, None], there, z)
        gradient = torch.where(better[:, None], new_gradient, gradient)
        precision = torch.where(better[:, None, None], new_precision, precision)
        damping = torch.where(better[:, None, None], damping / 5, damping * 5)
    return z, precision


@dataclass(frozen=True)
class StudentT:
    """A multivariate t of ``FREEDOM`` degrees per image: ``mean`` (n, d), ``root`` (n, d, d) lower triangular."""

    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor) -> StudentT:
        """Return the t whose scale matrix is ``covariance`` (n, d, d), factored in double precision."""
        return cls(mean, torch.linalg.cholesky(covariance.double()).to(mean))

    @property
    def noise_dim(self) -> int:
        """Standard normals that a draw takes."""
        return self.mean.shape[1] + FREEDOM

    def draw(self, noise: Tensor) -> Tensor:
        """Return z (n, m, d) from standard normals (n, m, d + FREEDOM)."""
        d = self.mean.shape[1]
        stretch = (noise[..., d:].square().mean(-1, keepdim=True)).rsqrt()
        return self.mean[:, None] + torch.bmm(noise[..., :d] * stretch, self.root.mT)

    def log_density(self, z: Tensor) -> Tensor:
        """Return the log density (n, m) at z (n, m, d)."""
        d = self.mean.shape[1]
        inverse = torch.linalg.solve_triangular(self.root, torch.eye(d).to(self.root), upper=False)
        squared = torch.bmm(z - self.mean[:, None], inverse.mT).square().sum(-1)
        constant = math.lgamma((FREEDOM + d) / 2) - math.lgamma(FREEDOM / 2) - 0.5 * d * math.log(FREEDOM * math.pi)
        log_scale = self.root.diagonal(dim1=1, dim2=2).log().sum(1)
        return constant - log_scale[:, None] - 0.5 * (FREEDOM + d) * torch.log1p(squared / FREEDOM)


@dataclass(frozen=True)
class DiagonalNormal:
    """The encoder's q(z|x): ``mean`` and ``logvar``, both (n, d)."""

    mean: Tensor
    logvar: Tensor

    def draw(self, noise: Tensor) -> Tensor:
        """Return z (n, m, d) from standard normals (n, m, d or more), of which the first d count."""
        return self.mean[:, None] + (0.5 * self.logvar[:, None]).exp() * noise[..., : self.mean.shape[1]]

    def log_density(self, z: Tensor) -> Tensor:
        """Return the log density (n, m) at z (n, m, d)."""
        squared = (z - self.mean[:, None]).square() * (-self.logvar[:, None]).exp()
        return -0.5 * (squared + self.logvar[:, None] + math.log(2 * math.pi)).sum(-1)


Component = StudentT | DiagonalNormal


@dataclass(frozen=True)
class Mixture:
    """Components with the share of the draws that each gets; q(z|x) comes first."""

    components: tuple[Component, ...]
    shares: tuple[float, ...]

    def counts(self, n_samples: int) -> list[int]:
        """Return how many of ``n_samples`` draws each component gets: at least one, in all ``n_samples``."""
        counts = [max(1, round(share * n_samples)) for share in self.shares[:-1]]
        return [*counts, n_samples - sum(counts)]

    def draw(self, noise: Tensor) -> Tensor:
        """Return z (n, m, d), component after component, from standard normals (n, m, d + FREEDOM)."""
        parts = noise.split(self.counts(noise.shape[1]), dim=1)
        return torch.cat([c.draw(part) for c, part in zip(self.components, parts, strict=True)], 1)

    def only(self, place: int) -> Mixture:
        """Return the proposal of one of the images."""
        parts = tuple(type(c)(*(value[place, None] for value in vars(c).values())) for c in self.components)
        return Mixture(parts, self.shares)

    def log_density(self, z: Tensor) -> Tensor:
        """Return the log density (n, m) at z (n, m, d), each component weighted by its part of the m draws."""
        m = z.shape[1]
        logs = [
            component.log_density(z) + math.log(count / m)
            for component, count in zip(self.components, self.counts(m), strict=True)
        ]
        return torch.stack(logs).logsumexp(0)


def moments(z: Tensor, log_weights: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (n, d) and covariance (n, d, d) of weighted draws.

    Parameters
    ----------
    z, log_weights
        Shape (n, m, d) and (n, m).
    towards
        Shape (n, d, d): a covariance that counts as much as 2 d effective samples do.
    """
    shares = log_weights.softmax(1).clamp(max=LARGEST_SHARE)
    shares = shares / shares.sum(1, keepdim=True)
    mean = torch.bmm(shares[:, None], z).squeeze(1)
    away = z - mean[:, None]
    covariance = torch.bmm((away * shares[..., None]).mT, away)
    effective = 1 / shares.square().sum(1)
    trust = (effective / (effective + 2 * z.shape[2]))[:, None, None].to(towards)
    return mean, trust * covariance.to(towards) + (1 - trust) * towards


def adapt(
    local: Local,
    posterior: tuple[Tensor, Tensor],
    x: Tensor,
    log_joint: Callable[[Tensor], Tensor],
    pilot_noise: Sequence[Tensor],
) -> Mixture:
    """Return the proposal of each image.

    Parameters
    ----------
    local
        See :data:`Local`.
    posterior
        The encoder's mean and log-variance, both (n, d).
    x
        Images, (n, pixels).
    log_joint
        ``z (n, m, d) -> log p(x, z) (n, m)`` for these images.
    pilot_noise
        Standard normals of each pilot, (n, m, d + FREEDOM).
    """
    q = DiagonalNormal(*posterior)
    mode, precision = find_mode(local, x, q.mean)
    covariance = WIDENING**2 * torch.cholesky_inverse(torch.linalg.cholesky(precision.double()))
    laplace = StudentT.of(mode, covariance)
    mixture = Mixture((q, laplace), (DEFENCE, 1 - DEFENCE))
    for noise in pilot_noise:
        z = mixture.draw(noise)
        fitted = StudentT.of(*moments(z, log_joint(z) - mixture.log_density(z), covariance))
        mixture = Mixture((q, laplace, fitted), (DEFENCE, 0.3, 0.6))
    return mixture
