"""The importance-weighted bound (IWAE, Burda et al., arXiv:1509.00519) and a gradient of it that does not fade.

``L_k = E log (1/k) sum_i w_i`` with ``w_i = p(x, z_i) / q(z_i|x)``. The plain gradient for the encoder gets noisier
relative to its size as k grows (Rainforth et al., arXiv:1802.04537). The doubly reparametrised one (Tucker et al.,
arXiv:1810.04152, eq. 8) has the same expectation without that fault, and is what trains the encoder here; the decoder
gets the plain gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.families.log_probs.latent_model import Coder
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood


def iwae_terms(
    vae: Coder, x: Tensor, k: int, *, likelihood: str, sigma: float, generator: torch.Generator | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the objective to minimise and the terms to record.

    Parameters
    ----------
    vae
        The model; its encoder and decoder both get gradients.
    x
        Images in [0, 1], shape (batch, pixels).
    k
        Samples per image, at least 1.
    likelihood, sigma
        See :func:`core.families.vaes.likelihood.log_likelihood`.
    generator
        Source of the noise, on the CPU.

    Returns
    -------
    objective : Tensor
        Scalar whose gradients are those of the mean ``-L_k``; its value means nothing.
    terms : dict
        Detached, shape (batch,): ``bound`` = -L_k, ``reconstruction`` = -log p(x|z) (mean of the k), ``kl``,
        ``loss`` = reconstruction + kl, all in nats.
    """
    mu, logvar = vae.encode(x)
    eps = torch.randn((k, *mu.shape), generator=generator).to(mu)
    z = mu + (0.5 * logvar).exp() * eps  # (k, batch, latent_dim)
    log_px = log_likelihood(vae.decode(z), x, likelihood=likelihood, sigma=sigma)  # (k, batch)
    # q's own parameters are held fixed inside log q: the encoder is reached through z alone.
    fixed_mu, fixed_logvar = mu.detach(), logvar.detach()
    log_q = -0.5 * ((z - fixed_mu).square() * (-fixed_logvar).exp() + fixed_logvar).sum(-1)
    log_w = log_px - 0.5 * z.square().sum(-1) - log_q  # the 2 pi of prior and q cancel
    shares = log_w.detach().softmax(0)
    if z.requires_grad:
        z.register_hook(lambda gradient: shares[..., None] * gradient)  # a second weight on the way to the encoder
    objective = -(shares * log_w).sum(0).mean()
    with torch.no_grad():
        reconstruction = -log_px.mean(0)
        kl = kl_standard_normal(mu, logvar).sum(1)
        bound = math.log(k) - log_w.logsumexp(0)
    terms = {"bound": bound, "loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}
    return objective, {name: value.detach() for name, value in terms.items()}
