"""Annealed importance sampling against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from core.errors import ConfigError, DataError
from core.families.log_probs.annealing import (
    AISOptions,
    annealed_importance_sample,
    hmc_move,
    sigmoid_schedule,
    standard_normal_log_density,
)
from core.families.log_probs.importance import importance_sample
from tests.families.log_probs.linear_gaussian import images, make

OPTIONS = AISOptions(n_chains=24, n_temperatures=40, n_leapfrog=4)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_log_prob_agrees_with_the_closed_form_within_its_standard_error() -> None:
    model = make()
    x = images(model, 40)
    found = annealed_importance_sample(model.conditional, x, 3, options=OPTIONS, generator=generator())
    z = (found.log_prob - model.log_density(x)) / found.standard_error
    # 40 standardised errors of 24 chains each (Student's t, 23 degrees): the mean has sd 0.17.
    assert abs(float(z.mean())) < 0.7
    assert 0.4 < float(z.square().mean()) < 2.2
    assert (found.effective_chains > 2).all()
    assert 0.4 < float(found.acceptance.mean()) < 0.95


def test_both_estimators_agree() -> None:
    model = make(seed=3)
    x = images(model, 30)
    annealed = annealed_importance_sample(model.conditional, x, 3, options=OPTIONS, generator=generator(1))
    mu, logvar = model.posterior(x)
    sampled = importance_sample(model.conditional, x, mu + 0.3, logvar + 0.4, n_samples=1000, row_bytes=400)
    error = (annealed.standard_error.square() + sampled.standard_error.square()).sqrt()
    assert abs(float(((annealed.log_prob - sampled.log_prob) / error).mean())) < 0.8  # 4 x 1/sqrt(30)


def test_starting_at_the_exact_posterior_has_zero_variance() -> None:
    model = make()
    x = images(model, 5)
    options = AISOptions(n_chains=4, n_temperatures=5, n_leapfrog=3)
    found = annealed_importance_sample(
        model.conditional, x, 3, options=options, generator=generator(), base=model.posterior(x)
    )
    # The ratio of target and base is then p(x) for every z: all weights are p(x).
    assert torch.allclose(found.log_prob, model.log_density(x), atol=1e-8)
    assert float(found.standard_error.max()) < 1e-8


def test_one_temperature_is_importance_sampling_from_the_prior() -> None:
    model = make(sigma=2.0)
    x = images(model, 10)
    options = AISOptions(n_chains=4000, n_temperatures=1, n_leapfrog=1, pilot_chains=1)
    found = annealed_importance_sample(model.conditional, x, 3, options=options, generator=generator())
    assert torch.allclose(found.log_prob, model.log_density(x), atol=5 * float(found.standard_error.max()))


def test_hmc_leaves_a_normal_distribution_as_it_is() -> None:
    draw = generator()
    z = torch.randn(1, 4000, 2, generator=draw, dtype=torch.float64)

    def log_density(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        value = standard_normal_log_density(at)
        return value, value, -at

    step = torch.full((1, 1), 0.9, dtype=torch.float64)
    for _ in range(5):
        z, ratio, moved = hmc_move(log_density, z, step, 3, draw)
    assert 0.3 < float(moved.double().mean()) <= 1
    assert torch.allclose(ratio, standard_normal_log_density(z))
    # 8,000 values: the mean has standard error 0.011, the mean square 0.016.
    assert abs(float(z.mean())) < 0.05
    assert float(z.square().mean()) == pytest.approx(1, abs=0.07)


def test_an_overflowing_move_is_rejected() -> None:
    def cliff(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        value = -(at**4).sum(-1)
        return value, value, -4 * at**3

    z = torch.ones(1, 3, 2)
    after, _, moved = hmc_move(cliff, z, torch.full((1, 1), 1e9), 5, generator())
    assert not moved.any()
    assert torch.equal(after, z)


def test_schedule_rises_from_0_to_1() -> None:
    betas = sigmoid_schedule(100)
    assert (float(betas[0]), float(betas[-1])) == (0.0, 1.0)
    assert (betas.diff() > 0).all()
    assert float(betas[1]) < 0.2 / 100 * 10  # slow at the ends
    assert float(betas[50]) == pytest.approx(0.5)


def test_black_white_and_noise_images_give_numbers() -> None:
    model = make()
    x = torch.stack([torch.zeros(12), torch.ones(12), torch.rand(12, generator=generator())]).double()
    options = AISOptions(n_chains=2, n_temperatures=10, n_leapfrog=2)
    found = annealed_importance_sample(model.conditional, x, 3, options=options, generator=generator())
    assert all(torch.isfinite(value).all() for value in vars(found).values())


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="n_chains = 1"):
        AISOptions(n_chains=1)
    model = make()
    with pytest.raises(DataError, match="pixels"):
        annealed_importance_sample(model.conditional, torch.full((1, 12), 2.0), 3, generator=generator())


def test_standard_normal_log_density() -> None:
    z = torch.randn(4, 3)
    oracle = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert torch.allclose(standard_normal_log_density(z), oracle, atol=1e-5)
    assert math.isclose(float(standard_normal_log_density(torch.zeros(1))), -0.5 * math.log(2 * math.pi), rel_tol=1e-6)
