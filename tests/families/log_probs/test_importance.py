"""Importance sampling against closed forms, and the bounds' order."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.errors import ConfigError, DataError
from core.families.log_probs.importance import (
    Estimates,
    check_images,
    dense_row_bytes,
    image_noise,
    importance_sample,
    nested_bounds,
    running_log_prob,
    sampling_conditional,
    smooth_conditional,
    summarise,
    weight_chunks,
)
from core.families.log_probs.pareto import pareto_error
from tests.families.log_probs.linear_gaussian import images, make

SIZES = (1, 5, 10, 50, 100, 500, 1000)
ROW_BYTES = 8 * 40


def inexact_posterior(model, x):
    """The exact posterior, shifted and widened: a proposal with weights that vary."""
    mu, logvar = model.posterior(x)
    return mu + 0.3, logvar + 0.4


def test_log_prob_agrees_with_the_closed_form_within_its_standard_error() -> None:
    model = make()
    x = images(model, 200)
    mu, logvar = inexact_posterior(model, x)
    found = importance_sample(model.conditional, x, mu, logvar, n_samples=2000, row_bytes=ROW_BYTES)
    z = (found.log_prob - model.log_density(x)) / found.standard_error
    # 200 standardised errors: the mean has sd 0.07, the mean square 0.1; false alarms below 1 in 10,000.
    assert abs(float(z.mean())) < 0.3
    assert 0.6 < float(z.square().mean()) < 1.5
    assert (found.standard_error > 0).all()
    assert ((found.effective_samples > 100) & (found.effective_samples < 2000)).all()


def test_bounds_rise_from_elbo_to_log_p() -> None:
    model = make()
    x = images(model, 100)
    mu, logvar = inexact_posterior(model, x)
    found = importance_sample(model.conditional, x, mu, logvar, n_samples=1000, row_bytes=ROW_BYTES, bound_sizes=SIZES)
    assert (found.bounds.diff(dim=1) >= -1e-9).all(), "each size divides the next: rising on every image"
    assert torch.allclose(found.bounds[:, -1], found.log_prob)
    exact = model.log_density(x)
    # ELBO <= L_k <= log p(x) of the means; the last within four standard errors of the mean.
    error = float(found.standard_error.square().mean().sqrt()) / math.sqrt(len(x))
    elbo, *bounds = found.elbo.mean(), *found.bounds.mean(0)
    assert float(elbo) <= float(bounds[1]) < float(bounds[-1]) <= float(exact.mean()) + 4 * error
    # L_1 is the ELBO, estimated another way: its sampling error is that of a mean over 100,000 weights.
    assert float(elbo) == pytest.approx(float(bounds[0]), abs=0.02)


def test_the_exact_posterior_has_zero_variance() -> None:
    model = make()
    x = images(model, 20)
    found = importance_sample(model.conditional, x, *model.posterior(x), n_samples=50, row_bytes=ROW_BYTES)
    assert torch.allclose(found.log_prob, model.log_density(x), atol=1e-10)
    assert float(found.standard_error.max()) < 1e-10
    assert torch.allclose(found.effective_samples, torch.tensor(50.0, dtype=torch.float64))
    assert torch.allclose(found.elbo, found.log_prob, atol=1.0)


def test_values_do_not_depend_on_chunks_or_company() -> None:
    model = make()
    x = images(model, 7)
    mu, logvar = inexact_posterior(model, x)
    whole = importance_sample(model.conditional, x, mu, logvar, n_samples=300, row_bytes=ROW_BYTES)
    # 300 samples need 14 kB of noise and results: this leaves room for some 40 rows at a time.
    small = importance_sample(model.conditional, x, mu, logvar, n_samples=300, row_bytes=ROW_BYTES, memory_bytes=27_000)
    alone = importance_sample(
        model.conditional, x[4:5], mu[4:5], logvar[4:5], n_samples=300, row_bytes=ROW_BYTES, indices=[4]
    )
    assert torch.allclose(whole.log_prob, small.log_prob, atol=1e-12)
    assert torch.allclose(whole.log_prob[4:5], alone.log_prob, atol=1e-12)


def test_chunks_keep_the_memory_bound() -> None:
    rows: list[int] = []

    def conditional(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        rows.append(z.shape[0] * z.shape[1])
        return -z.square().sum(-1)

    x, zeros, bound = torch.rand(50, 12), torch.zeros(50, 3), 100_000
    for n_samples in (2, 60, 1000, 3000):
        rows.clear()
        list(weight_chunks(conditional, x, zeros, zeros, n_samples=n_samples, row_bytes=400, memory_bytes=bound))
        image_bytes = n_samples * 6 * 4
        held = max(max(rows) // n_samples, 1) * image_bytes
        assert max(rows) * 400 + held <= bound
        assert sum(rows) == 50 * n_samples
    with pytest.raises(ConfigError, match="Allow at least"):
        next(weight_chunks(conditional, x, zeros, zeros, n_samples=5000, row_bytes=400, memory_bytes=bound))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_sampling_conditional_equals_torch_distributions(likelihood: str) -> None:
    torch.manual_seed(0)
    decode = nn.Linear(4, 30).double().requires_grad_(False)
    x = torch.rand(3, 30, dtype=torch.float64).round()
    z = 3 * torch.randn(3, 5, 4, dtype=torch.float64)
    found = sampling_conditional(decode, likelihood, 0.4)(x, z)
    logits = decode(z)
    normal, bernoulli = torch.distributions.Normal, torch.distributions.Bernoulli
    oracle = normal(logits.sigmoid(), 0.4) if likelihood == "gaussian" else bernoulli(logits=logits)
    assert torch.allclose(found, oracle.log_prob(x[:, None].expand_as(logits)).sum(-1), atol=1e-9)
    z.requires_grad_(True)
    smooth = smooth_conditional(decode, likelihood, 0.4)(x, z)
    assert torch.allclose(smooth, found, atol=1e-9)
    smooth.sum().backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_row_bytes_count_the_widest_layers() -> None:
    assert dense_row_bytes((20, 512, 784)) == 4 * (784 + 512 + 784)


def test_an_unknown_likelihood_is_refused() -> None:
    with pytest.raises(ConfigError, match="gaussian or bernoulli"):
        sampling_conditional(nn.Identity(), "poisson", 1.0)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_no_image_gives_nan(likelihood: str) -> None:
    torch.manual_seed(0)
    decode = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 784)).requires_grad_(False)
    with torch.no_grad():
        decode[2].weight.mul_(50)  # saturated pixels: sigmoid reaches 0 and 1 exactly
    x = torch.stack([torch.zeros(784), torch.ones(784), torch.rand(784), torch.eye(28).flatten()])
    mu, logvar = 5 * torch.randn(4, 4), torch.full((4, 4), -8.0)
    found = importance_sample(
        sampling_conditional(decode, likelihood, 0.4), x, mu, logvar, n_samples=64, row_bytes=8000, bound_sizes=(1, 64)
    )
    for value in vars(found).values():
        assert torch.isfinite(value).all()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.full((1, 4), 1.5), "pixels from 1.5"),
        (torch.full((1, 4), -0.1), "pixels from -0.1"),
        (torch.full((1, 4), math.nan), "pixels from nan"),
        (torch.full((1, 4), math.inf), "pixels from inf"),
        (torch.zeros(0, 4), "no image"),
        (torch.zeros(4), "shape"),
    ],
)
def test_images_out_of_range_are_refused(x: torch.Tensor, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_images(x)


def test_a_wrong_number_of_pixels_is_refused() -> None:
    with pytest.raises(DataError, match="784"):
        check_images(torch.zeros(1, 4), 784)


def test_summary_against_numbers_by_hand() -> None:
    weights = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    log_prob, error, effective, k_hat = summarise(weights.log())
    assert float(log_prob) == pytest.approx(math.log(2))
    assert float(error) == pytest.approx(math.sqrt(2) / (2 * math.sqrt(2)))  # sd sqrt(2), mean 2, M = 2
    assert float(effective) == pytest.approx(16 / 10)
    assert k_hat.isnan().all(), "two weights have no tail to fit"
    with pytest.raises(ConfigError, match="at least 2"):
        summarise(weights[:, :1])


@given(shift=st.floats(-1e4, 1e4), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_summary_shifts_with_the_weights_and_stays_finite(shift: float, seed: int) -> None:
    log_w = 20 * torch.randn(2, 64, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    base, moved = summarise(log_w), summarise(log_w + shift)
    assert torch.allclose(base[0] + shift, moved[0], atol=1e-6)
    assert torch.allclose(base[1], moved[1], atol=1e-6)
    assert ((base[2] >= 1 - 1e-9) & (base[2] <= 64 + 1e-9)).all()


def test_nested_bounds_by_hand_and_refusals() -> None:
    log_w = torch.tensor([[0.0, math.log(3), math.log(5), math.log(7), 0.0]], dtype=torch.float64)
    found = nested_bounds(log_w, (1, 2, 5))
    assert float(found[0, 1]) == pytest.approx((math.log(2) + math.log(6)) / 2)  # the fifth weight has no partner
    assert float(found[0, 2]) == pytest.approx(math.log(17 / 5))
    assert nested_bounds(log_w, ()).shape == (1, 0)
    with pytest.raises(ConfigError, match="between 1 and the 5"):
        nested_bounds(log_w, (6,))


def test_running_estimate_ends_at_the_estimate() -> None:
    log_w = torch.randn(3, 40, dtype=torch.float64)
    running = running_log_prob(log_w)
    assert torch.allclose(running[:, -1], summarise(log_w)[0])
    assert torch.allclose(running[:, 0], log_w[:, 0])


def test_the_error_is_at_least_that_of_the_smoothed_tail() -> None:
    log_w = 3 * torch.randn(20, 1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = summarise(log_w)
    shares = log_w.softmax(1)
    plain = ((shares - 1e-3).square().sum(1) * 1000 / 999).sqrt()
    smoothed = pareto_error(log_w)[1]
    assert torch.allclose(found.standard_error, torch.maximum(plain, smoothed))
    assert (smoothed > plain).any()
    assert (smoothed < plain).any()


def test_noise_is_standard_normal_and_its_own_per_image() -> None:
    noise = torch.stack([image_noise(0, index, 500, 4) for index in range(20)])
    assert abs(float(noise.mean())) < 4 / math.sqrt(noise.numel())
    assert float(noise.std()) == pytest.approx(1, abs=4 / math.sqrt(2 * noise.numel()))
    assert torch.equal(noise[3], image_noise(0, 3, 500, 4))
    assert not torch.equal(noise[3], image_noise(0, 3, 500, 4, stage=1))
    assert len({float(one.sum()) for one in noise}) == 20


def test_results_name_their_fields() -> None:
    assert list(Estimates.__annotations__) == [
        "log_prob",
        "standard_error",
        "effective_samples",
        "pareto_k",
        "samples",
        "reconstruction",
        "kl",
        "bounds",
    ]
