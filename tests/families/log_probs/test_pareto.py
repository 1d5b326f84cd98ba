"""The generalised Pareto law of the largest weights: known shapes come back, and the error knows of the tail."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import genpareto

from core.families.log_probs.pareto import fit_pareto, pareto_error, tail_size

ROWS, DRAWS = 60, 400


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.8, 1.2])
@pytest.mark.parametrize("sigma", [0.01, 3.0])
def test_known_shapes_and_scales_come_back(k: float, sigma: float) -> None:
    drawn = genpareto.rvs(k, scale=sigma, size=(ROWS, DRAWS), random_state=0)
    found, scale = fit_pareto(torch.from_numpy(drawn).sort(1).values)
    expected = (k * DRAWS + 10 * 0.5) / (DRAWS + 10)  # with the prior's ten draws of 0.5
    # the fit's asymptotic standard errors are (1 + k) / sqrt(N) and sigma sqrt(2 (1 + k)) / sqrt(N)
    error = (1 + max(k, 0)) / math.sqrt(DRAWS)
    assert abs(float(found.mean()) - expected) < 4 * error / math.sqrt(ROWS) + 0.01
    assert float((found - expected).abs().max()) < 5 * error
    assert float(scale.mean()) == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("k", [0.3, 0.6, 0.9])
def test_k_hat_of_pareto_weights(k: float) -> None:
    uniform = torch.rand(100, 4000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    log_weights = -k * uniform.log()  # weights u^-k: a Pareto law of that shape
    found, _ = pareto_error(log_weights + 700)  # weights themselves would overflow
    n = tail_size(4000)
    expected = (k * n + 5) / (n + 10)
    assert float(found.mean()) == pytest.approx(expected, abs=4 * (1 + k) / math.sqrt(n * 100) + 0.01)


def test_a_light_tail_has_the_plain_error() -> None:
    weights = 1 + torch.rand(50, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    k, error = pareto_error(weights.log())
    plain = weights.std(1) / weights.mean(1) / math.sqrt(2000)
    assert (k < 0.5).all()
    torch.testing.assert_close(error, plain, rtol=0.02, atol=0)


def test_a_tail_that_is_too_short_or_flat_is_not_fitted() -> None:
    for log_weights in (torch.randn(3, 20), torch.zeros(3, 500)):
        assert all(value.isnan().all() for value in pareto_error(log_weights))
    assert tail_size(100) == 20
    assert tail_size(1000) == 95
