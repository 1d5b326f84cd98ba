"""The bound's terms against torch.distributions and closed forms."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from core.errors import ConfigError
from core.families.vaes.likelihood import (
    bernoulli_log_likelihood,
    gaussian_log_likelihood,
    kl_standard_normal,
    log_likelihood,
)
from core.families.vaes.model import reparameterise
from tests.families.log_probs.linear_gaussian import make


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 1.0, 3.0])
def test_gaussian_equals_torch_distributions(sigma):
    logits, x = randn(6, 20), torch.rand(6, 20, dtype=torch.float64)
    expected = Independent(Normal(logits.sigmoid(), sigma), 1).log_prob(x)
    assert expected.shape == (6,)
    torch.testing.assert_close(log_likelihood(logits, x, likelihood="gaussian", sigma=sigma), expected)


def test_bernoulli_equals_torch_distributions():
    logits, x = randn(6, 20), (randn(6, 20, seed=1) > 0).double()
    expected = Independent(Bernoulli(logits=logits), 1).log_prob(x)
    torch.testing.assert_close(log_likelihood(logits, x, likelihood="bernoulli"), expected)


def test_bernoulli_of_grey_values_is_the_expectation_over_binarisations():
    """sum x log p + (1 - x) log(1 - p) is linear in x, so grey x give the mean over black and white ones."""
    logits, x = randn(3, 8), torch.rand(3, 8, dtype=torch.float64)
    p = logits.sigmoid()
    expected = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    torch.testing.assert_close(bernoulli_log_likelihood(logits, x), expected)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_leading_sample_dimensions_broadcast(likelihood):
    logits, x = randn(4, 5, 10), torch.rand(5, 10, dtype=torch.float64).round()
    together = log_likelihood(logits, x, likelihood=likelihood, sigma=0.4)
    assert together.shape == (4, 5)
    for sample in range(4):
        torch.testing.assert_close(
            together[sample], log_likelihood(logits[sample], x, likelihood=likelihood, sigma=0.4)
        )


def test_a_perfect_picture_has_the_density_at_the_mode():
    logits = torch.zeros(2, 784, dtype=torch.float64)
    found = gaussian_log_likelihood(logits, torch.full((2, 784), 0.5, dtype=torch.float64), 0.4)
    torch.testing.assert_close(found, torch.full((2,), -392 * math.log(2 * math.pi * 0.16), dtype=torch.float64))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_extreme_logits_stay_finite(likelihood):
    logits = torch.tensor([[1e4, -1e4, 88.0, -88.0]])
    for x in (torch.zeros(1, 4), torch.ones(1, 4)):
        found = log_likelihood(logits, x, likelihood=likelihood, sigma=0.4)
        assert bool(found.isfinite().all())


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_gradients_agree_with_finite_differences(likelihood):
    logits, x = randn(3, 5).requires_grad_(), torch.rand(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda one: log_likelihood(one, x, likelihood=likelihood, sigma=0.4), logits, eps=1e-6, atol=1e-5
    )


def test_an_unknown_likelihood_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no likelihood 'laplace'.*gaussian, bernoulli"):
        log_likelihood(torch.zeros(1, 2), torch.zeros(1, 2), likelihood="laplace")


@settings(max_examples=60, deadline=None)
@given(mu=st.floats(-20, 20), logvar=st.floats(-12, 6))
def test_kl_equals_torch_distributions_and_is_not_negative(mu, logvar):
    mu, logvar = torch.tensor([[mu]], dtype=torch.float64), torch.tensor([[logvar]], dtype=torch.float64)
    expected = kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(torch.zeros_like(mu), torch.ones_like(mu)))
    found = kl_standard_normal(mu, logvar)
    assert found.shape == (1, 1)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    assert float(found) >= -1e-12


def test_kl_in_closed_form():
    zero = torch.zeros(1, 1, dtype=torch.float64)
    assert float(kl_standard_normal(zero, zero)) == 0
    assert float(kl_standard_normal(zero + 3, zero)) == pytest.approx(4.5)
    assert float(kl_standard_normal(zero, zero + math.log(4))) == pytest.approx(0.5 * (4 - math.log(4) - 1))


def test_kl_gradient_vanishes_only_at_the_prior():
    mu, logvar = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2, requires_grad=True)
    kl_standard_normal(mu, logvar).sum().backward()
    assert torch.equal(mu.grad, torch.zeros(1, 2))
    assert torch.equal(logvar.grad, torch.zeros(1, 2))
    other = randn(2, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: kl_standard_normal(m, m), other, eps=1e-6, atol=1e-6)


class TestLinearGaussian:
    """x = W z + b + noise: its log p(x) is known, so the bound can be held against the truth."""

    model = make()
    x = 0.5 + 0.2 * randn(5, 12, seed=3)

    def elbo(self, mu, logvar, draws=4000):
        """The bound with our functions; logits are made so that their sigmoid is the linear mean."""
        generator = torch.Generator().manual_seed(0)
        z = reparameterise(mu.expand(draws, *mu.shape), logvar.expand(draws, *mu.shape), generator)
        mean = z @ self.model.weight.T + self.model.bias
        # the sigmoid reaches only (0, 1): squeeze mean, data and sigma by one factor, and undo it in the density
        squeeze, pixels = 0.01, self.x.shape[1]
        logits = torch.logit(0.5 + squeeze * mean)
        inside = log_likelihood(logits, 0.5 + squeeze * self.x, likelihood="gaussian", sigma=squeeze * self.model.sigma)
        values = inside + pixels * math.log(squeeze) - kl_standard_normal(mu, logvar).sum(1)
        return values.mean(0), values.std(0) / math.sqrt(draws)

    def test_with_the_exact_posterior_the_bound_is_log_p(self):
        value, error = self.elbo(*self.model.posterior(self.x))
        truth = self.model.log_density(self.x)
        assert bool(((value - truth).abs() < 5 * error).all())  # 5 standard errors on 5 images: false alarm < 1e-5
        assert float(error.max()) < 0.05

    def test_with_any_other_q_it_lies_below_by_the_kl_from_the_posterior(self):
        mu, logvar = self.model.posterior(self.x)
        other = mu + 0.3, logvar - 0.5
        value, error = self.elbo(*other)
        slack = kl_divergence(Normal(other[0], (0.5 * other[1]).exp()), Normal(mu, (0.5 * logvar).exp())).sum(1)
        truth = self.model.log_density(self.x)
        assert bool((slack > 0.1).all())
        assert bool(((value - (truth - slack)).abs() < 5 * error).all())
