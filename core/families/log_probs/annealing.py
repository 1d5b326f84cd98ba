"""log p(x) of a latent-variable model by annealed importance sampling (Wu et al., arXiv:1611.04273).

Chains start at exact samples of a base distribution and move, by Hamiltonian Monte Carlo, through
``f_t(z) = base(z)^(1 - beta_t) target(z)^beta_t`` from beta 0 to 1, where ``target(z) = p(x|z) p(z)``. The product
of the ratios ``f_t(z) / f_(t-1)(z)`` along a chain is an unbiased weight of p(x) (Neal, Annealed importance
sampling, 2001). It needs no approximate posterior, so it checks importance sampling independently: with the
prior as base, what a too narrow q(z|x) misses is found all the same.

Departure from the paper: there the step size adapts while the weights are being gathered, which makes the
estimate slightly biased. Here a pilot run with few chains finds one step size per image and temperature, and
the run that counts keeps them fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from core.errors import ConfigError
from core.families.log_probs.importance import Conditional, check_images, summarise

ACCEPTANCE = 0.65
"""Share of accepted moves that the pilot's step sizes aim at (optimal for HMC: Beskos et al., arXiv:1001.4460)."""
ADAPTATION, TRAVEL = 0.02, 6.0
"""Relative change of a step size after each move of the pilot: at least ``ADAPTATION``, and enough to change it by
``exp(TRAVEL)`` over a whole run, because few temperatures leave few moves to adapt in."""
FIRST_STEP = 0.3
"""Step size at the base, which has unit scale."""


@dataclass(frozen=True)
class AISOptions:
    """How long and how densely to anneal: cost grows with the product of all but ``pilot_chains``.

    Parameters
    ----------
    n_chains
        Independent chains per image.
    n_temperatures
        Steps from the base to the posterior.
    n_leapfrog
        Leapfrog steps of one Hamiltonian move.
    pilot_chains
        Chains per image of the run that finds the step sizes.
    """

    n_chains: int = 8
    n_temperatures: int = 500
    n_leapfrog: int = 10
    pilot_chains: int = 2

    def __post_init__(self) -> None:
        for name, low in (("n_chains", 2), ("n_temperatures", 1), ("n_leapfrog", 1), ("pilot_chains", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} = {getattr(self, name)} is too small", f"Give at least {low}")


@dataclass(frozen=True)
class AISEstimates:
    """Per image, shape (n,): log p(x) in nats, its standard error, effective chains, share of accepted moves."""

    log_prob: Tensor
    standard_error: Tensor
    effective_chains: Tensor
    acceptance: Tensor


def sigmoid_schedule(n_temperatures: int, delta: float = 4.0) -> Tensor:
    """Return beta_0 = 0 ... beta_T = 1, slow at both ends (arXiv:1611.04273, appendix), shape (T + 1,), float64."""
    steps = torch.linspace(-delta, delta, n_temperatures + 1, dtype=torch.float64).sigmoid()
    return (steps - steps[0]) / (steps[-1] - steps[0])


def standard_normal_log_density(z: Tensor) -> Tensor:
    """Return log N(z; 0, I) over the last dimension."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * math.log(2 * math.pi))


class _Path:
    """The densities between base and target for one batch of images, with gradients in z."""

    def __init__(self, conditional: Conditional, x: Tensor, base: tuple[Tensor, Tensor] | None) -> None:
        self.conditional, self.x, self.base = conditional, x, base

    def log_base(self, z: Tensor) -> Tensor:
        if self.base is None:
            return standard_normal_log_density(z)
        mu, logvar = (part[:, None] for part in self.base)
        return standard_normal_log_density((z - mu) * (-0.5 * logvar).exp()) - 0.5 * logvar.sum(-1)

    def ratio(self, z: Tensor) -> Tensor:
        """Log target minus log base: what a step in beta multiplies."""
        log_px = self.conditional(self.x, z)
        return log_px if self.base is None else log_px + standard_normal_log_density(z) - self.log_base(z)

    def start(self, n_chains: int, latent_dim: int, generator: torch.Generator) -> Tensor:
        eps = _normal((len(self.x), n_chains, latent_dim), generator, self.x)
        if self.base is None:
            return eps
        mu, logvar = self.base
        return mu[:, None] + (0.5 * logvar[:, None]).exp() * eps

    def value_and_gradient(self, z: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return log f_beta(z), the log ratio alone, and the gradient of log f_beta."""
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            ratio = self.ratio(z)
            value = self.log_base(z) + beta * ratio
            (gradient,) = torch.autograd.grad(value.sum(), z)
        return value.detach(), ratio.detach(), gradient


def _normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    return torch.randn(shape, generator=generator).to(like)


def hmc_move(
    log_density: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]],
    z: Tensor,
    step_size: Tensor,
    n_leapfrog: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return z after one Hamiltonian move, the log ratio there and which chains moved (Neal, arXiv:1206.1901).

    Parameters
    ----------
    log_density
        z (n, chains, d) -> log density (n, chains), log ratio (n, chains), gradient (n, chains, d).
    step_size
        Shape (n, 1): one per image.
    """
    momentum = _normal(tuple(z.shape), generator, z)
    eps = step_size[:, :, None]
    value, ratio, gradient = log_density(z)
    energy = 0.5 * momentum.square().sum(-1) - value
    there, p = z, momentum + 0.5 * eps * gradient
    for step in range(n_leapfrog):
        there = there + eps * p
        new_value, new_ratio, gradient = log_density(there)
        p = p + (eps if step < n_leapfrog - 1 else 0.5 * eps) * gradient
    new_energy = 0.5 * p.square().sum(-1) - new_value
    chance = (energy - new_energy).exp()
    uniform = torch.rand(chance.shape, generator=generator).to(chance)
    # A trajectory that overflowed has NaN energy: the comparison is then false, so it is rejected.
    moved = uniform < chance
    return torch.where(moved[..., None], there, z), torch.where(moved, new_ratio, ratio), moved


def _anneal(
    path: _Path,
    options: AISOptions,
    n_chains: int,
    latent_dim: int,
    generator: torch.Generator,
    step_sizes: Tensor | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run chains along the path; return log weights (n, chains), acceptance (n,) and the step sizes (T, n)."""
    betas = sigmoid_schedule(options.n_temperatures).tolist()
    z = path.start(n_chains, latent_dim, generator)
    with torch.inference_mode():
        ratio = path.ratio(z)
    log_weights = torch.zeros(z.shape[:2], dtype=torch.float64, device=z.device)
    accepted = torch.zeros(len(z), device=z.device)
    step = torch.full((len(z), 1), FIRST_STEP, dtype=z.dtype, device=z.device)
    change = max(ADAPTATION, TRAVEL / options.n_temperatures)
    used = []
    for index in range(1, len(betas)):
        log_weights += (betas[index] - betas[index - 1]) * ratio.double()
        if step_sizes is not None:
            step = step_sizes[index - 1][:, None]
        used.append(step[:, 0])
        log_density = partial(path.value_and_gradient, beta=betas[index])
        z, ratio, moved = hmc_move(log_density, z, step, options.n_leapfrog, generator)
        share = moved.float().mean(1)
        accepted += share
        if step_sizes is None:
            step = step * (change * torch.where(share > ACCEPTANCE, 1.0, -1.0)).exp()[:, None].to(step)
        if on_progress:
            on_progress(index, len(betas) - 1)
    return log_weights, accepted / options.n_temperatures, torch.stack(used)


def annealed_importance_sample(
    conditional: Conditional,
    x: Tensor,
    latent_dim: int,
    *,
    options: AISOptions | None = None,
    generator: torch.Generator,
    base: tuple[Tensor, Tensor] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> AISEstimates:
    """Estimate log p(x) of every image by annealed importance sampling.

    Parameters
    ----------
    conditional
        ``(x (n, pixels), z (n, m, latent_dim)) -> log p(x|z) (n, m)``, differentiable in z.
    x
        Images in [0, 1], shape (n, pixels).
    latent_dim
        Dimension of z.
    generator
        Source of all randomness, on the CPU.
    base
        Mean and log-variance (n, latent_dim) of the distribution the chains start from; the prior if None.
        Starting at q(z|x) needs fewer temperatures, but a q that misses a mode then misleads both estimators.
    on_progress
        Called with (temperatures done, temperatures in all) of the run that counts.
    """
    check_images(x)
    options = options or AISOptions()
    path = _Path(conditional, x, base)
    _, _, step_sizes = _anneal(path, options, options.pilot_chains, latent_dim, generator, None)
    log_w, acceptance, _ = _anneal(path, options, options.n_chains, latent_dim, generator, step_sizes, on_progress)
    log_prob, error, effective, _ = summarise(log_w)
    return AISEstimates(log_prob, error, effective, acceptance)
