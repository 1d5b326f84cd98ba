"""The split of the bound's slack, where both parts are known in closed form."""

from __future__ import annotations

import pytest
import torch

from core.errors import ConfigError, DataError
from core.families.log_probs.importance import importance_sample
from core.families.log_probs.refinement import RefineOptions, refine
from tests.families.log_probs.linear_gaussian import LinearGaussian, images, make


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def elbo(model: LinearGaussian, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    """log p(x) - KL(q || posterior), from torch's own divergence."""
    true_mu, true_logvar = model.posterior(x)
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    posterior = torch.distributions.Normal(true_mu, (0.5 * true_logvar).exp())
    return model.log_density(x) - torch.distributions.kl_divergence(q, posterior).sum(-1)


def test_a_diagonal_posterior_leaves_no_approximation_gap() -> None:
    model = make()
    x = images(model, 30)
    start = (torch.zeros(30, 3, dtype=torch.float64), torch.zeros(30, 3, dtype=torch.float64))
    mu, logvar = refine(model.conditional, x, *start, generator=generator())
    gap = model.log_density(x) - elbo(model, x, mu, logvar)
    assert float((model.log_density(x) - elbo(model, x, *start)).mean()) > 1.0, "the start must leave a gap"
    assert float(gap.max()) < 0.02
    assert torch.allclose(mu, model.posterior(x)[0], atol=0.1)


def test_a_correlated_posterior_leaves_the_gap_that_theory_says() -> None:
    # Mean-field's optimum keeps the precision's diagonal, so KL = (log det of the diagonal - log det) / 2.
    weight = torch.tensor([[1.0, 0.8], [0.2, 0.9], [0.7, 0.7]], dtype=torch.float64)
    model = LinearGaussian(weight, torch.full((3,), 0.5, dtype=torch.float64), 0.4)
    precision = torch.eye(2, dtype=torch.float64) + weight.T @ weight / 0.16
    theory = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    x = images(model, 20)
    zeros = torch.zeros(20, 2, dtype=torch.float64)
    mu, logvar = refine(model.conditional, x, zeros, zeros, generator=generator())
    found = importance_sample(model.conditional, x, mu, logvar, n_samples=4000, row_bytes=200)
    gap = float((model.log_density(x) - found.elbo).mean())
    assert theory > 0.3
    assert gap == pytest.approx(
        theory, abs=0.08
    )  # 80,000 samples of sd 2: standard error 0.01; the rest is the optimiser


def test_refinement_does_not_depend_on_the_batches_size_and_changes_no_input() -> None:
    model = make()
    x = images(model, 6)
    mu, logvar = torch.zeros(6, 3, dtype=torch.float64), torch.zeros(6, 3, dtype=torch.float64)
    small = refine(model.conditional, x, mu, logvar, options=RefineOptions(images_per_batch=4), generator=generator())
    whole = refine(model.conditional, x, mu, logvar, generator=generator())
    assert torch.allclose(small[0], whole[0], atol=0.05)
    assert not mu.any()


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="steps = 0"):
        RefineOptions(steps=0)
    with pytest.raises(ConfigError, match="positive"):
        RefineOptions(rate=float("nan"))
    with pytest.raises(DataError, match="pixels"):
        refine(
            make().conditional, torch.full((1, 12), 7.0), torch.zeros(1, 3), torch.zeros(1, 3), generator=generator()
        )
