"""Probabilistic PCA: exact densities, planted structure, and a VAE that equals it."""

from __future__ import annotations

import pytest
import torch

from core.errors import ConfigError, DataError
from core.families.log_probs.importance import importance_sample
from core.families.log_probs.ppca import fit_ppca
from tests.families.log_probs.linear_gaussian import LinearGaussian, images, make


def test_log_density_equals_torchs_multivariate_normal() -> None:
    x = images(make(), 300)
    found = fit_ppca(x, sigma=0.3, latent_dim=2)
    covariance = found.loadings @ found.loadings.T + 0.3**2 * torch.eye(12, dtype=torch.float64)
    oracle = torch.distributions.MultivariateNormal(found.mean, covariance).log_prob(x)
    assert found.latent_dim == 2
    assert torch.allclose(found.log_density(x), oracle, atol=1e-9)


def test_planted_loadings_are_recovered() -> None:
    model = make(seed=2)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(40_000, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(40_000, 12, generator=generator, dtype=torch.float64)
    found = fit_ppca(z @ model.weight.T + model.bias + model.sigma * noise, sigma=model.sigma, latent_dim=3)
    planted = model.weight @ model.weight.T
    # entries of a covariance of 40,000 points have standard errors of about 1 / sqrt(40,000)
    assert float((found.loadings @ found.loadings.T - planted).abs().max()) < 0.03


def test_it_is_the_maximum_for_its_sigma() -> None:
    x = images(make(), 400)
    best = fit_ppca(x, sigma=0.3, latent_dim=3)
    top = float(best.log_density(x).mean())
    for factor in (0.8, 1.25):
        other = LinearGaussian(best.loadings * factor, best.mean, 0.3)
        assert float(other.log_density(x).mean()) < top


def test_more_directions_never_lower_the_likelihood_and_useless_ones_are_left_out() -> None:
    x = images(make(), 400)
    means = [float((m := fit_ppca(x, 0.3, q)).log_density(x).mean()) for q in (1, 2, 3, None) if q != 0]
    assert means == sorted(means)
    assert m.latent_dim == int((torch.linalg.eigvalsh(torch.cov(x.T, correction=0)) > 0.09).sum())
    assert fit_ppca(x, sigma=50.0).latent_dim == 0


def test_its_posterior_makes_importance_sampling_exact() -> None:
    x = images(make(), 30)
    found = fit_ppca(x, sigma=0.3, latent_dim=2)
    model = LinearGaussian(found.loadings, found.mean, 0.3)
    sampled = importance_sample(model.conditional, x, *found.posterior(x), n_samples=10, row_bytes=400)
    assert torch.allclose(sampled.log_prob, found.log_density(x), atol=1e-9)
    assert float(sampled.standard_error.max()) < 1e-9


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="positive"):
        fit_ppca(torch.rand(5, 4), sigma=0.0)
    with pytest.raises(DataError, match="two images"):
        fit_ppca(torch.rand(1, 4), sigma=1.0)
