"""What the variational bound leaves open, split in two (Cremer, Li and Duvenaud, arXiv:1801.03558, eq. 3).

For one image and one frozen decoder, with q(z|x) from the encoder and q*(z|x) the best of the same family::

    log p(x) - ELBO(q)  =  [log p(x) - ELBO(q*)]  +  [ELBO(q*) - ELBO(q)]
                            approximation gap         amortisation gap

The first is due to the family (a diagonal normal), the second to the encoder, which must serve all images with one
set of weights. q* is found by optimising mean and log-variance of every image, starting from the encoder's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from core.errors import ConfigError
from core.families.log_probs.importance import Conditional, check_images, kl_of


@dataclass(frozen=True)
class RefineOptions:
    """How per-image posteriors are optimised.

    Parameters
    ----------
    steps
        Adam steps of every image.
    n_samples
        Reparametrised samples per image and step; more make the gradient less noisy.
    rate
        Learning rate of the first step; it falls to 0 along a cosine, so that the noise of the gradient averages out.
    images_per_batch
        Images optimised together (they do not influence one another).
    """

    steps: int = 400
    n_samples: int = 8
    rate: float = 0.05
    images_per_batch: int = 250

    def __post_init__(self) -> None:
        for name in ("steps", "n_samples", "images_per_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)} is too small", "Give at least 1")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ConfigError(f"rate = {self.rate} is not allowed", "Give a positive number")


def refine(
    conditional: Conditional,
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    *,
    options: RefineOptions | None = None,
    generator: torch.Generator,
    on_progress: Callable[[int, int], None] | None = None,
    on_step: Callable[[Tensor], None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return mean and log-variance, both (n, latent_dim), that maximise each image's own ELBO.

    Parameters
    ----------
    conditional
        ``(x (n, pixels), z (n, m, latent_dim)) -> log p(x|z) (n, m)``, differentiable in z; it is not changed.
    x
        Images in [0, 1], shape (n, pixels).
    mu, logvar
        Where to start.
    options
        See :class:`RefineOptions`.
    generator
        Source of all randomness, on the CPU.
    on_progress
        Called with (images done, images in all) after each batch.
    on_step
        Called at each step with the batch's noisy ELBO before it, shape (images,).
    """
    check_images(x)
    options = options or RefineOptions()
    found: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(x), options.images_per_batch):
        part = slice(start, start + options.images_per_batch)
        found.append(_refine_batch(conditional, x[part], mu[part], logvar[part], options, generator, on_step))
        if on_progress:
            on_progress(min(part.stop, len(x)), len(x))
    best_mu, best_logvar = zip(*found, strict=True)
    return torch.cat(best_mu), torch.cat(best_logvar)


def _refine_batch(
    conditional: Conditional,
    x: Tensor,
    mu: Tensor,
    logvar: Tensor,
    options: RefineOptions,
    generator: torch.Generator,
    on_step: Callable[[Tensor], None] | None,
) -> tuple[Tensor, Tensor]:
    mu, logvar = (start.detach().clone().requires_grad_(True) for start in (mu, logvar))
    optimizer = torch.optim.Adam([mu, logvar], lr=options.rate)
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.rate * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        eps = torch.randn(len(x), options.n_samples, mu.shape[1], generator=generator).to(mu)
        with torch.enable_grad():
            z = mu[:, None] + (0.5 * logvar[:, None]).exp() * eps
            loss = kl_of(mu, logvar) - conditional(x, z).mean(1)
            gradients = torch.autograd.grad(loss.sum(), (mu, logvar))
        if on_step:
            on_step(-loss.detach())
        mu.grad, logvar.grad = gradients
        optimizer.step()
    return mu.detach(), logvar.detach()
