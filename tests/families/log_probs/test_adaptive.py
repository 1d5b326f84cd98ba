"""Adaptive importance sampling: unbiased, with honest errors, as long as it takes, whatever the chunks."""

from __future__ import annotations

import math

import pytest
import torch

from core.errors import ConfigError, DataError
from core.families.log_probs.adaptive import Effort, adaptive_importance_sample, fitted_weights
from core.families.log_probs.importance import MEMORY_BYTES, summarise
from tests.families.log_probs.linear_gaussian import images, make

ROW_BYTES = 8 * 40
MODEL = make()


def encoder(x):
    """The exact posterior, shifted and widened: the encoder's q."""
    mu, logvar = MODEL.posterior(x)
    return mu + 0.3, logvar + 0.4


def narrow(x, z):
    """A local shape that makes the first proposal much too narrow, and off its place."""
    value, gradient, precision = MODEL.local(x, z - 0.1)
    return value, gradient, 6 * precision


def measured(x, effort, local=MODEL.local, **options):
    return adaptive_importance_sample(
        MODEL.conditional, local, x, encoder(x), effort=effort, row_bytes=ROW_BYTES, **options
    )


def test_the_estimate_of_p_is_unbiased() -> None:
    x = images(MODEL, 100)
    ratios = torch.stack(
        [(measured(x, Effort(50, 1, 50), narrow, seed=seed).log_prob - MODEL.log_density(x)).exp() for seed in range(8)]
    )
    error = float(ratios.std()) / math.sqrt(ratios.numel())
    assert error < 0.02
    assert abs(float(ratios.mean()) - 1) < 4 * error


@pytest.mark.parametrize("local", [MODEL.local, narrow])
def test_errors_are_calibrated(local) -> None:
    x = images(MODEL, 400)
    found = measured(x, Effort(100, 20, 1600), local)
    z = (found.log_prob - MODEL.log_density(x)) / found.standard_error
    # The standard deviation of 400 standardised errors has a standard error of 1 / sqrt(800) = 0.035: four of them,
    # and the larger of two errors is a little wide, at most by a tenth here.
    assert 0.76 < float(z.std()) < 1.14
    assert abs(float(z.mean())) < 0.3
    assert float((z.abs() > 3).double().mean()) < 0.02
    assert (found.effective_samples >= 20).all()


def test_drawing_goes_on_until_the_target_or_the_cap() -> None:
    x = images(MODEL, 60)
    found = measured(x, Effort(50, 60, 400))
    reached = found.effective_samples >= 60
    assert reached.any()
    assert set(found.samples.tolist()) <= {50.0, 100.0, 200.0, 400.0}
    assert (found.samples[~reached] == 400).all()
    assert (found.samples > 50).all(), "50 draws cannot be worth 60"
    never = measured(x, Effort(50, 10_000, 150))
    assert (never.samples == 150).all()
    once = measured(x, Effort(50, 1, 400))
    assert (once.samples == 50).all()


def test_values_do_not_depend_on_chunks_or_company() -> None:
    x = images(MODEL, 9)
    effort = Effort(60, 100, 960)
    whole = measured(x, effort)
    assert len(set(whole.samples.tolist())) > 1, "some images need more than others"
    for memory in (20_000, 60_000, MEMORY_BYTES):
        small = measured(x, effort, memory_bytes=memory)
        for name in ("log_prob", "standard_error", "effective_samples", "pareto_k", "samples", "reconstruction"):
            torch.testing.assert_close(getattr(small, name), getattr(whole, name), rtol=1e-7, atol=1e-7)
    alone = measured(x[4:5], effort, indices=[4])
    torch.testing.assert_close(alone.log_prob, whole.log_prob[4:5], rtol=1e-7, atol=1e-7)
    again = measured(x, effort)
    assert torch.equal(again.log_prob, whole.log_prob)
    other = measured(x, effort, seed=1)
    assert not torch.allclose(other.log_prob, whole.log_prob)


def test_reconstruction_is_of_the_encoders_draws() -> None:
    x = images(MODEL, 50)
    found = measured(x, Effort(4000, 1, 4000))
    mu, logvar = encoder(x)
    squared = (x - mu @ MODEL.weight.T - MODEL.bias).square().sum(1) + (logvar.exp() @ MODEL.weight.square().T).sum(1)
    exact = -0.5 * squared / MODEL.sigma**2 - 12 * math.log(MODEL.sigma * math.sqrt(2 * math.pi))
    # 400 draws of q an image: a standard deviation of log p(x|z) of about 1.5 gives errors of 0.08
    torch.testing.assert_close(found.reconstruction, exact, rtol=0, atol=0.4)
    assert float((found.reconstruction - exact).mean()) == pytest.approx(0, abs=0.05)


def test_the_first_part_of_shuffled_weights_is_a_sample_of_the_mixture() -> None:
    x = images(MODEL, 3)
    log_w, _ = fitted_weights(MODEL.conditional, MODEL.local, x, encoder(x), n_samples=2000, row_bytes=ROW_BYTES)
    whole = measured(x, Effort(2000, 1, 2000))
    torch.testing.assert_close(summarise(log_w).log_prob, whole.log_prob, rtol=1e-9, atol=1e-9)
    half = summarise(log_w[:, :1000])
    error = torch.hypot(half.standard_error, whole.standard_error)
    assert float(((half.log_prob - whole.log_prob) / error).abs().max()) < 4


@pytest.mark.parametrize(("effort", "words"), [((9, 1, 100), "too few"), ((100, 1, 99), "fewer than the first 100")])
def test_an_effort_that_cannot_be_is_refused(effort, words) -> None:
    with pytest.raises(ConfigError, match=words):
        Effort(*effort)


def test_odd_images_are_refused() -> None:
    with pytest.raises(DataError, match="pixels from"):
        measured(torch.full((1, 12), 1.5, dtype=torch.float64), Effort())
