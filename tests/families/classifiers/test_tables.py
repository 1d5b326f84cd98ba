"""The tables of an evaluation, against planted predictions."""

import numpy as np
import pytest

from core.families.classifiers.tables import LEAST_SURE, tables


@pytest.fixture(scope="module")
def planted():
    """Forty images of each of 3 classes; image 5 (class 0) is read as 2 with certainty, image 7 as 1 barely."""
    labels = np.repeat([0, 1, 2], 40)
    logits = 4.0 * np.eye(3)[labels] + np.random.default_rng(0).normal(0, 0.1, (120, 3))
    logits[5], logits[7] = [0, 0, 20], [1.0, 1.1, 0]
    return logits, labels, tables(logits, labels)


def test_confusion_counts_only_pairs_that_occur(planted):
    rows = planted[2]["confusion"]
    found = {(row.label, row.predicted): row.count_ for row in rows.rename(columns={"count": "count_"}).itertuples()}
    assert found == {(0, 0): 38, (0, 1): 1, (0, 2): 1, (1, 1): 40, (2, 2): 40}


def test_mistakes_are_all_there_and_the_most_confident_comes_first(planted):
    rows = planted[2]["mistakes"]
    assert rows["index"].tolist() == [5, 7]
    assert rows["predicted"].tolist() == [2, 1]
    assert rows["confidence"].iloc[0] == pytest.approx(1.0, abs=1e-4)
    weights = np.exp([1.0, 1.1, 0])
    assert rows["confidence"].iloc[1] == pytest.approx(weights[1] / weights.sum(), abs=5e-5)
    assert rows["label_probability"].iloc[1] == pytest.approx(weights[0] / weights.sum(), abs=5e-5)


def test_doubtful_are_the_least_sure_right_answers_of_each_class(planted):
    logits, labels, found = planted
    rows = found["doubtful"]
    assert rows.groupby("label").size().tolist() == [LEAST_SURE] * 3
    assert not set(rows["index"]) & {5, 7}
    confidence = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).max(1)
    expected = sorted(np.flatnonzero(labels == 1), key=lambda i: confidence[i])[:LEAST_SURE]
    assert rows[rows["label"] == 1]["index"].tolist() == expected


def test_measures_and_rates_are_those_of_the_planted_errors(planted):
    found = planted[2]
    row = found["measures"].iloc[0]
    assert (row["n"], row["accuracy"]) == (120, pytest.approx(118 / 120, abs=1e-7))
    assert found["per_class"]["recall"].tolist() == [pytest.approx(38 / 40), 1.0, 1.0]
    assert found["per_class"]["precision"].tolist() == [
        1.0,
        pytest.approx(40 / 41, abs=1e-6),
        pytest.approx(40 / 41, abs=1e-6),
    ]
    assert found["calibration"]["count"].sum() == 120


def test_a_model_without_errors_has_an_empty_list_of_mistakes_with_its_columns():
    found = tables(10 * np.eye(3)[[0, 1, 2]], np.array([0, 1, 2]))
    assert found["mistakes"].empty
    assert list(found["mistakes"]) == ["index", "label", "predicted", "confidence", "label_probability"]
