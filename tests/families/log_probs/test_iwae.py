"""The importance-weighted bound's gradient against automatic differentiation of the bound itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from core.families.log_probs.iwae import iwae_terms
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood
from core.families.vaes.model import VAE


def small_vae() -> tuple[VAE, Tensor]:
    torch.manual_seed(0)
    vae = VAE(6, (8,), 2, "tanh").double()
    return vae, torch.rand(2, 6, dtype=torch.float64).round()


def plain_bound(vae: VAE, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """-L_k, differentiated through everything."""
    mu, logvar = vae.encode(x)
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    z = mu + q.scale * torch.randn((k, *mu.shape), generator=generator).to(mu)
    prior = torch.distributions.Normal(0.0, 1.0)
    log_w = log_likelihood(vae.decode(z), x, likelihood="bernoulli") + prior.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
    return (math.log(k) - log_w.logsumexp(0)).mean()


def gradients(vae: VAE, loss: Tensor) -> Tensor:
    vae.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in vae.parameters()])


def test_the_bound_and_the_decoders_gradient_are_those_of_the_definition() -> None:
    vae, x = small_vae()
    objective, terms = iwae_terms(
        vae, x, 7, likelihood="bernoulli", sigma=0.4, generator=torch.Generator().manual_seed(5)
    )
    found = gradients(vae, objective)
    plain = plain_bound(vae, x, 7, torch.Generator().manual_seed(5))
    oracle = gradients(vae, plain)
    n_encoder = sum(p.numel() for p in vae.encoder.parameters())
    assert float(terms["bound"].mean()) == pytest.approx(float(plain.detach()), abs=1e-10)
    assert torch.allclose(found[n_encoder:], oracle[n_encoder:], atol=1e-10)
    assert torch.allclose(terms["kl"], kl_standard_normal(*vae.encode(x)).sum(1))
    assert torch.allclose(terms["loss"], terms["kl"] + terms["reconstruction"])


def test_the_encoders_gradient_has_the_same_expectation() -> None:
    vae, x = small_vae()
    k, draws = 4, 250
    sums = torch.zeros(2, 2, sum(p.numel() for p in vae.parameters()), dtype=torch.float64)
    for draw in range(draws):
        g = gradients(vae, iwae_terms(vae, x, k, likelihood="bernoulli", sigma=0.4, generator=_at(draw))[0])
        h = gradients(vae, plain_bound(vae, x, k, _at(10_000 + draw)))
        for row, value in enumerate((g, h)):
            sums[row, 0] += value
            sums[row, 1] += value.square()
    mean = sums[:, 0] / draws
    variance = sums[:, 1] / draws - mean.square()
    n_encoder = sum(p.numel() for p in vae.encoder.parameters())
    error = (variance.sum(0) / draws).sqrt()[:n_encoder]
    z = (mean[0] - mean[1])[:n_encoder] / error.clamp_min(1e-12)
    # standardised differences of some 90 correlated entries: their mean square is near 1 if the means agree
    assert float(z[error > 1e-9].square().mean()) < 2.5


def _at(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_one_sample_is_the_elbo_and_more_samples_raise_the_bound() -> None:
    vae, x = small_vae()
    with torch.no_grad():
        means = []
        for k in (1, 5, 50):
            values = [iwae_terms(vae, x, k, likelihood="bernoulli", sigma=0.4, generator=_at(s))[1] for s in range(60)]
            means.append(float(torch.stack([v["bound"].mean() for v in values]).mean()))
            loss = float(torch.stack([v["loss"].mean() for v in values]).mean())
    assert means[0] > means[1] > means[2]
    assert means[0] == pytest.approx(loss, abs=0.2)
