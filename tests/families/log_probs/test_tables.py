"""Tables of log-probabilities, on planted values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from core.chapters.log_probability.reasons import measure_images, reasons
from core.errors import DataError
from core.families.log_probs.tables import (
    check_images,
    extremes,
    histogram,
    mean_with_error,
    per_digit,
    probability_metrics,
    rounded,
    typical,
)


def planted(n=200):
    """Ink lowers log p by 100 nats per unit; digit 1 gets 5 nats more than that."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 4
    ink = rng.uniform(0.05, 0.2, n) - 0.03 * (label == 1)
    log_prob = -20 - 100 * ink + 5 * (label == 1)
    return pd.DataFrame(
        {
            "index": np.arange(n),
            "label": label,
            "log_prob": log_prob,
            "standard_error": 0.1,
            "effective_samples": 50.0,
            "reconstruction": log_prob + 8,
            "kl": 10.0,
            "ink": ink,
            "intrinsic_dimension": rng.uniform(5, 15, n),
        }
    )


def test_per_digit_means_errors_and_terms():
    images = planted()
    table = per_digit(images).set_index("label")
    ones = images[images["label"] == 1]
    assert table.loc[1, "images"] == 50
    assert table.loc[1, "log_prob"] == pytest.approx(ones["log_prob"].mean())
    assert table.loc[1, "error"] == pytest.approx(ones["log_prob"].std(ddof=1) / np.sqrt(50))
    assert table["slack"].to_numpy() == pytest.approx(2.0)
    assert list(table.index) == [0, 1, 2, 3]
    alone = per_digit(images.head(1))
    assert alone["error"].tolist() == [0.0]


def test_histograms_sum_to_one_and_keep_outliers():
    images = planted()
    images.loc[0, "log_prob"] = -5000.0
    bars = histogram(images, bins=20)
    assert bars.groupby("label")["share"].sum().to_numpy() == pytest.approx(1)
    assert bars.groupby("label")["images"].sum().tolist() == [50, 50, 50, 50]
    assert bars["low"].min() > -5000 or len(images) < 500
    same = histogram(images.assign(log_prob=-3.0))
    assert same.groupby("label")["share"].sum().to_numpy() == pytest.approx(1)


def test_extremes_and_typical():
    images = planted()
    best, worst = extremes(images, 2, 3)
    own = images[images["label"] == 2]["log_prob"]
    assert best["log_prob"].iloc[0] == own.max()
    assert worst["log_prob"].iloc[0] == own.min()
    assert best["log_prob"].is_monotonic_decreasing
    assert worst["log_prob"].is_monotonic_increasing
    middle = typical(images)
    assert middle["label"].tolist() == [0, 1, 2, 3]
    assert (own < middle["log_prob"].iloc[2]).sum() == 24
    assert middle["index"].dtype.kind == "i"


def test_metrics_and_rounding():
    metrics = probability_metrics(planted(), "test")
    assert list(metrics) == ["test_log_prob_nats", *(f"test_log_prob_digit_{i}" for i in range(4))]
    assert mean_with_error(pd.Series([1.0, 3.0])) == (2.0, pytest.approx(1.0))
    assert mean_with_error(pd.Series([7.0])) == (7.0, 0.0)
    assert rounded(planted())["log_prob"].iloc[0] == round(planted()["log_prob"].iloc[0], 4)


def test_a_table_that_lacks_columns_is_refused():
    with pytest.raises(DataError, match="lacks the columns"):
        check_images(pd.DataFrame({"label": [1]}))
    with pytest.raises(DataError, match="no row"):
        per_digit(planted().head(0))


def test_reasons_find_what_was_planted():
    found = reasons(planted(2000))
    correlations = found["correlations"].set_index(["factor", "scope"])["pearson"]
    assert correlations["ink", "within digits"] == pytest.approx(-1, abs=0.001)
    assert abs(correlations["intrinsic dimension", "within digits"]) < 0.1
    matched = found["matched"].set_index("label")
    assert matched.loc[1, "raw"] == pytest.approx(8, abs=0.5)  # 5 nats, and 3 for the ink it lacks
    assert matched.loc[1, "at_equal_ink"] == pytest.approx(5, abs=0.5)
    share = found["explained"].set_index("by")["share"]
    assert share["all three"] == pytest.approx(1, abs=1e-3)
    assert share["intrinsic dimension"] < 0.02
    terms = found["contributions"].set_index("label").loc[1]
    assert terms["log_prob"] == pytest.approx(terms["reconstruction"] + terms["kl"] + terms["slack"], abs=1e-3)
    assert terms["kl"] == 0


def test_images_are_measured_among_neighbours_of_their_class():
    generator = torch.Generator().manual_seed(0)
    line = torch.rand(400, 1, generator=generator) @ torch.ones(1, 6) / 2
    plane = torch.rand(400, 2, generator=generator) @ torch.rand(2, 6, generator=generator) / 2
    reference, labels = torch.cat([line, plane]), np.repeat([0, 1], 400)
    frame = pd.DataFrame({"index": [10, 20, 410, 420], "label": [0, 0, 1, 1]})
    found = measure_images(frame, reference, reference, labels)
    assert found["ink"].iloc[0] == pytest.approx(float(reference[10].mean()), abs=1e-6)
    assert found["intrinsic_dimension"].iloc[:2].mean() == pytest.approx(1, abs=0.6)
    assert found["intrinsic_dimension"].iloc[2:].mean() > 1.3
