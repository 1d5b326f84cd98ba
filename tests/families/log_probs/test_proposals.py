"""Proposals fitted to an image's posterior: derivatives, modes and densities against oracles."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_t
from torch import nn

from core.families.log_probs.importance import smooth_conditional
from core.families.log_probs.proposals import (
    FREEDOM,
    DiagonalNormal,
    Mixture,
    StudentT,
    adapt,
    find_mode,
    gauss_newton,
    moments,
)
from tests.families.log_probs.linear_gaussian import images, make


def noise(n: int, m: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, m, d + FREEDOM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_local_shape_of_linear_logits_equals_autograd(likelihood: str) -> None:
    torch.manual_seed(0)
    decode = nn.Linear(4, 30).double().requires_grad_(False)
    x, z = torch.rand(3, 30, dtype=torch.float64).round(), torch.randn(3, 4, dtype=torch.float64)
    value, gradient, precision = gauss_newton(decode, likelihood, 0.4)(x, z)

    def joint(image: torch.Tensor, one: torch.Tensor) -> torch.Tensor:
        log_px = smooth_conditional(decode, likelihood, 0.4)(image[None], one[None, None])[0, 0]
        return log_px - 0.5 * one.square().sum()

    for place in range(3):
        there = z[place].clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(joint(x[place], there), there)
        torch.testing.assert_close(gradient[place], slope, rtol=1e-6, atol=1e-6)
        if likelihood == "bernoulli":  # the expected curvature is the curvature where logits are linear in z
            expected = -torch.autograd.functional.hessian(partial(joint, x[place]), z[place])
        else:
            jacobian = torch.autograd.functional.jacobian(lambda one: decode(one).sigmoid(), z[place]) / 0.4
            expected = jacobian.T @ jacobian + torch.eye(4, dtype=torch.float64)
        torch.testing.assert_close(precision[place], expected, rtol=1e-6, atol=1e-6)
    constant = value - torch.stack([joint(x[i], z[i]) for i in range(3)])
    assert float(constant.std()) < 1e-9, "values differ from log p(x, z) by the same constant for all images"


def test_the_mode_of_a_linear_model_is_its_posterior_mean() -> None:
    model = make()
    x = images(model, 20)
    mean, logvar = model.posterior(x)
    found, precision = find_mode(model.local, x, torch.zeros_like(mean) + 3)
    torch.testing.assert_close(found, mean, rtol=0, atol=1e-8)
    torch.testing.assert_close(torch.linalg.inv(precision).diagonal(dim1=1, dim2=2), logvar.exp())


def test_a_step_that_leads_down_or_to_nothing_is_taken_back() -> None:
    def local(x, z):
        value = torch.where(z[:, 0].abs() > 1, torch.nan, z.sum(1))
        return value, torch.full_like(z, 50.0), torch.eye(2).expand(len(z), -1, -1)

    start = torch.zeros(3, 2)
    found, _ = find_mode(local, torch.zeros(3, 4), start)
    assert torch.equal(found, start)


def student(n: int = 2, d: int = 3) -> StudentT:
    generator = torch.Generator().manual_seed(3)
    root = torch.randn(n, d, d, generator=generator, dtype=torch.float64)
    mean = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return StudentT.of(mean, root @ root.mT + torch.eye(d, dtype=torch.float64))


def test_the_t_has_its_density_and_its_moments() -> None:
    t = student()
    scale = t.root @ t.root.mT
    z = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for place in range(2):
        oracle = multivariate_t(t.mean[place].numpy(), scale[place].numpy(), df=FREEDOM)
        np.testing.assert_allclose(t.log_density(z)[place].numpy(), oracle.logpdf(z[place].numpy()), atol=1e-10)
    drawn = t.draw(noise(2, 200_000, 3))
    # the covariance is nu / (nu - 2) times the scale; fourth moments exist for nu = 5, so sums settle slowly
    torch.testing.assert_close(drawn.mean(1), t.mean, rtol=0, atol=0.05)
    covariance = torch.stack([part.T.cov() for part in drawn])
    torch.testing.assert_close(covariance, scale * FREEDOM / (FREEDOM - 2), rtol=0.1, atol=0.1)


def test_weights_of_a_mixture_average_to_one() -> None:
    t = student()
    normal = DiagonalNormal(t.mean + 0.5, torch.zeros_like(t.mean))
    mixture = Mixture((normal, t), (0.1, 0.9))
    assert mixture.counts(5000) == [500, 4500]
    assert mixture.counts(2) == [1, 1]
    z = mixture.draw(noise(2, 50_000, 3))
    target = DiagonalNormal(t.mean, torch.full_like(t.mean, 0.3))
    weights = (target.log_density(z) - mixture.log_density(z)).exp()
    error = weights.std(1) / math.sqrt(50_000)
    assert float(((weights.mean(1) - 1) / error).abs().max()) < 4
    defended = (normal.log_density(z) - mixture.log_density(z)).exp()
    assert float(defended.max()) <= 10 + 1e-9, "no weight against q is above one over its share"


def test_one_image_of_a_mixture_is_that_images() -> None:
    t = student()
    mixture = Mixture((DiagonalNormal(t.mean, torch.zeros_like(t.mean)), t), (0.1, 0.9))
    drawn = noise(2, 50, 3)
    z = mixture.draw(drawn)
    one = mixture.only(1)
    torch.testing.assert_close(one.draw(drawn[1:]), z[1:])
    torch.testing.assert_close(one.log_density(z[1:]), mixture.log_density(z)[1:])


def test_moments_are_those_of_the_target_and_shrink_towards_the_given_covariance() -> None:
    z = torch.randn(1, 100_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    target = DiagonalNormal(torch.full((1, 2), 0.4, dtype=torch.float64), torch.full((1, 2), -0.5, dtype=torch.float64))
    base = DiagonalNormal(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, 2, dtype=torch.float64))
    log_weights = target.log_density(z) - base.log_density(z)
    mean, covariance = moments(z, log_weights, torch.eye(2, dtype=torch.float64)[None])
    torch.testing.assert_close(mean, target.mean, rtol=0, atol=0.02)
    expected = math.exp(-0.5) * torch.eye(2, dtype=torch.float64)[None]
    torch.testing.assert_close(covariance, expected, rtol=0, atol=0.02)
    one_weight = torch.full((1, 100_000), -1e4, dtype=torch.float64)
    one_weight[0, 0] = 0
    _, alone = moments(z, one_weight, torch.eye(2, dtype=torch.float64)[None])
    # one effective sample against four given ones
    torch.testing.assert_close(alone, 0.8 * torch.eye(2, dtype=torch.float64)[None], rtol=0, atol=1e-6)


def test_adapting_repairs_a_wrong_start() -> None:
    """A local shape that is off in place and width: the pilots find the posterior all the same."""
    model = make()
    x = images(model, 30)
    mean, logvar = model.posterior(x)

    def wrong(x, z):
        value, gradient, precision = model.local(x, z - 0.3)
        return value, gradient, 3 * precision

    def log_joint(z):
        return model.conditional(x, z) - 0.5 * (z.square().sum(-1) + 3 * math.log(2 * math.pi))

    q = (mean + 0.3, logvar + 0.4)
    fitted = adapt(wrong, q, x, log_joint, [noise(30, 200, 3, seed) for seed in (1, 2)]).components[-1]
    started = find_mode(wrong, x, q[0])[0]
    assert float((fitted.mean - mean).abs().mean()) < 0.3 * float((started - mean).abs().mean())
