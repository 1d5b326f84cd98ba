"""Measuring with a whole model: encoder, decoder and likelihood."""

from __future__ import annotations

import pytest
import torch

from core.chapters.latent_vae.latents import Decoder
from core.errors import ConfigError, DataError
from core.families.log_probs.adaptive import Effort
from core.families.log_probs.annealing import AISOptions
from core.families.log_probs.importance import sampling_conditional, smooth_conditional
from core.families.log_probs.latent_model import LatentModel, anneal, estimate, measure, read_image
from core.families.vaes.convolutional import ConvVAE
from core.families.vaes.likelihood import kl_standard_normal
from core.families.vaes.model import VAE


@pytest.fixture
def model():
    torch.manual_seed(0)
    vae = VAE(30, (12,), 3, "tanh").double().requires_grad_(False)
    return LatentModel(vae, (3, 12, 30), "bernoulli", 0.4)


@pytest.fixture
def x():
    return torch.rand(6, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).round()


def test_both_estimators_agree_within_their_errors(model, x):
    sampled = estimate(model, x, n_samples=3000)
    options = AISOptions(n_chains=16, n_temperatures=40, n_leapfrog=4)
    annealed = anneal(model, x, options=options, generator=torch.Generator().manual_seed(0))
    error = (sampled.standard_error.square() + annealed.standard_error.square()).sqrt()
    assert float(((sampled.log_prob - annealed.log_prob) / error).abs().max()) < 4.5


def test_the_encoders_posterior_is_used_unless_another_is_given(model, x):
    found = estimate(model, x, n_samples=50)
    mu, logvar = model.encode(x)
    assert torch.allclose(found.kl, kl_standard_normal(mu, logvar).sum(1))
    prior = estimate(model, x, n_samples=50, posterior=(torch.zeros_like(mu), torch.zeros_like(mu)))
    assert not prior.kl.any()


def test_a_fitted_proposal_agrees_with_the_encoders_and_is_more_precise(model, x):
    plain = estimate(model, x, n_samples=3000)
    fitted = measure(model, x, effort=Effort(3000, 20, 3000))
    error = torch.hypot(plain.standard_error, fitted.standard_error)
    assert float(((plain.log_prob - fitted.log_prob) / error).abs().max()) < 4.5
    assert float(fitted.effective_samples.min()) > float(plain.effective_samples.max())
    # one image's 300 draws of q, each with the spread that log p(x|z) has over q: within four standard errors
    gap = (fitted.reconstruction - plain.reconstruction).abs()
    assert float(gap.max()) < 0.5


def test_a_reading_equals_the_estimate_of_the_same_noise(model, x):
    one = read_image(model, x[2:3], n_samples=200)
    whole = measure(model, x[2:3], effort=Effort(200, 1, 200))
    assert one.log_prob == pytest.approx(float(whole.log_prob))
    assert one.standard_error == pytest.approx(float(whole.standard_error))
    assert one.pareto_k == pytest.approx(float(whole.pareto_k))
    assert one.elbo == pytest.approx(float(whole.elbo))
    assert one.running[-1][1] == pytest.approx(one.log_prob)
    counts = [count for count, _ in one.running]
    assert counts[0] == 1
    assert counts[-1] == 200
    assert counts == sorted(set(counts))


def test_a_decoder_alone_needs_a_posterior(x):
    torch.manual_seed(0)
    decoder = Decoder(VAE(30, (12,), 3).double().decoder).requires_grad_(False)
    model = LatentModel(decoder, (3, 12, 30), "gaussian", 0.4)
    with pytest.raises(ConfigError, match="no encoder"):
        estimate(model, x, n_samples=5)
    zeros = torch.zeros(6, 3, dtype=torch.float64)
    assert torch.isfinite(estimate(model, x, n_samples=5, posterior=(zeros, zeros)).log_prob).all()


def test_odd_images_are_refused(model):
    with pytest.raises(DataError, match=r"pixels from 0 to 2"):
        model.encode(torch.tensor([[0.0] * 29 + [2.0]], dtype=torch.float64))
    with pytest.raises(DataError, match="30"):
        model.encode(torch.zeros(2, 4))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_a_convolutional_decoder_is_sampled_as_it_is_differentiated(likelihood):
    torch.manual_seed(0)
    vae = ConvVAE(16, 3).requires_grad_(False)
    x, z = torch.rand(4, 784).round(), torch.randn(4, 5, 3)
    fast, smooth = (make(vae.decode, likelihood, 0.4)(x, z) for make in (sampling_conditional, smooth_conditional))
    assert fast.shape == (4, 5)
    torch.testing.assert_close(fast, smooth, rtol=1e-5, atol=1e-3)
