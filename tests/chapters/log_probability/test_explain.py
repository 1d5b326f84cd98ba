"""Measures of images and correlations, against planted values."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from core.chapters.log_probability.explain import (
    correlation,
    correlation_table,
    explained_share,
    ink,
    intrinsic_dimension,
    matched_difference,
    neighbour_distances,
)
from core.errors import ConfigError, DataError


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_planted_dimension_is_recovered(dimension: int) -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(6000, dimension, generator=generator)
    embedded = flat @ torch.linalg.qr(torch.randn(40, dimension, generator=generator))[0].T
    inner = ((flat > 0.25) & (flat < 0.75)).all(dim=1)  # away from the edges, where neighbours are missing on a side
    local = intrinsic_dimension(neighbour_distances(embedded[inner], embedded, 15))
    # at least 375 local estimates of relative spread 1/sqrt(14), neighbours shared: a standard error below 5 %
    pooled = 1 / float((1 / local).mean())  # MacKay and Ghahramani, 2005: the inverses average without bias
    assert pooled == pytest.approx(dimension, rel=0.15)


def test_neighbours_against_brute_force_without_the_point_itself() -> None:
    generator = torch.Generator().manual_seed(1)
    reference = torch.rand(60, 5, generator=generator) * 10
    found = neighbour_distances(reference[:7], reference, 4, chunk=3)
    oracle = torch.cdist(reference[:7], reference).sort(dim=1).values[:, 1:5]
    assert torch.allclose(found, oracle.double(), atol=1e-5)
    with pytest.raises(ConfigError, match="below the number"):
        neighbour_distances(reference, reference, 60)
    with pytest.raises(ConfigError, match="at least 3"):
        intrinsic_dimension(found[:, :2])


def test_ink_is_the_mean_pixel() -> None:
    assert ink(torch.tensor([[0.0, 1.0, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])).tolist() == [0.5, 0.0]


def test_correlation_against_numpy_and_known_cases() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=400)
    b = 0.6 * a + 0.8 * rng.normal(size=400)
    found = correlation(a, b)
    assert found["pearson"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found["low"] < 0.6 < found["high"]
    assert found["n"] == 400
    rising = correlation(a, np.exp(a))
    assert rising["spearman"] == pytest.approx(1.0)
    assert rising["pearson"] < 0.95
    assert math.isnan(correlation(a, np.ones(400))["pearson"])
    assert correlation(a, a)["pearson"] == pytest.approx(1.0)
    with pytest.raises(DataError, match="equally long"):
        correlation(a, b[:-1])


def test_correlation_table_tells_between_from_within() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(10), 200)
    factor = label + rng.normal(size=2000)
    # Between digits the target rises with the factor, within them it falls.
    target = 3.0 * label - (factor - label)
    frame = pd.DataFrame({"label": label, "factor": factor, "target": target})
    table = correlation_table(frame, "target", {"factor": "a factor"}).set_index("scope")["pearson"]
    assert table["between digits"] > 0.99
    assert table["within digits"] < -0.99


def test_explained_share() -> None:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(500, 2))
    exact = 2 + factors @ np.array([1.0, -3.0])
    assert explained_share(exact, factors) == pytest.approx(1.0)
    assert explained_share(rng.normal(size=500), factors) < 0.03
    assert math.isnan(explained_share(np.ones(500), factors))


def test_matched_difference_takes_the_factor_out() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 2000)
    factor = np.where(label == 1, rng.uniform(0, 0.6, 4000), rng.uniform(0.2, 1, 4000))
    frame = pd.DataFrame({"label": label, "factor": factor, "target": -10 * factor + 2 * (label == 1)})
    found = matched_difference(frame, "target", "factor", 1, bins=40)
    assert found["raw"] == pytest.approx(2 + 10 * 0.3, abs=0.2)
    assert found["matched"] == pytest.approx(2, abs=0.1)
    assert found["share"] == pytest.approx(0.67, abs=0.05)
    assert math.isnan(matched_difference(frame, "target", "factor", 7)["raw"])
