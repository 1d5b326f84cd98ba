"""Measures of a classifier, against scikit-learn and closed forms."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from core.families.classifiers.measures import (
    accuracy,
    calibration,
    confusion_matrix,
    cross_entropy,
    log_softmax,
    per_class,
    wilson_interval,
)


@pytest.fixture(scope="module")
def predictions():
    """Labels, predictions and logits of an imagined classifier of 10 classes that is right about half the time."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 2000)
    logits = generator.normal(size=(2000, 10)) + 2.0 * np.eye(10)[labels]
    return labels, logits.argmax(axis=1), logits


def test_confusion_precision_recall_and_f1_agree_with_scikit_learn(predictions):
    labels, predicted, _ = predictions
    confusion = confusion_matrix(labels, predicted, 10)
    np.testing.assert_array_equal(confusion, sk.confusion_matrix(labels, predicted))
    ours = per_class(confusion)
    precision, recall, f1, support = sk.precision_recall_fscore_support(labels, predicted)
    np.testing.assert_allclose(ours.precision, precision, rtol=1e-12)
    np.testing.assert_allclose(ours.recall, recall, rtol=1e-12)
    np.testing.assert_allclose(ours.f1, f1, rtol=1e-12)
    np.testing.assert_array_equal(ours.support, support)
    assert accuracy(confusion) == pytest.approx(sk.accuracy_score(labels, predicted), abs=1e-12)


def test_cross_entropy_agrees_with_scikit_learn(predictions):
    labels, _, logits = predictions
    expected = sk.log_loss(labels, np.exp(log_softmax(logits)))
    assert cross_entropy(logits, labels).mean() == pytest.approx(expected, abs=1e-12)


def test_cross_entropy_of_equal_logits_is_log_10_and_large_logits_do_not_overflow():
    np.testing.assert_allclose(cross_entropy(np.zeros((3, 10)), [0, 4, 9]), np.log(10), rtol=1e-14)
    np.testing.assert_allclose(cross_entropy([[1e4, 0.0]], [1]), [1e4], rtol=1e-14)


def test_rows_are_true_classes():
    confusion = confusion_matrix([0, 0, 0, 1], [1, 1, 0, 1], 2)
    assert confusion.tolist() == [[1, 2], [0, 1]]


def test_a_class_that_gives_no_value_is_undefined_rather_than_zero():
    measures = per_class(confusion_matrix([0, 0, 1], [0, 0, 0], 4))
    np.testing.assert_allclose(measures.precision, [2 / 3, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(measures.recall, [1, 0, np.nan, np.nan])
    np.testing.assert_allclose(measures.f1, [0.8, 0, np.nan, np.nan])


@pytest.mark.parametrize("labels", [[0, 10], [-1, 0], [0], [[0, 1]]])
def test_classes_that_do_not_exist_and_lengths_that_differ_are_refused(labels):
    with pytest.raises(ValueError, match=r"do not go with|is not one of"):
        confusion_matrix(labels, [0, 1], 10)


def test_calibration_error_of_a_known_case():
    # 0.6 confident and right 3 of 4 times; 0.95 confident and always right: (4 * 0.15 + 1 * 0.05) / 5
    bins = calibration([0.6] * 4 + [0.95], [1, 1, 1, 0, 1], n_bins=10)
    assert bins.error == pytest.approx((4 * 0.15 + 0.05) / 5, abs=1e-12)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 4, 0, 0, 0, 1]
    assert np.isnan(bins.accuracy[0])


def test_bins_are_open_on_the_left_and_hold_both_ends():
    bins = calibration([0.0, 0.5, 0.5000001, 1.0], [1, 1, 1, 1], n_bins=2)
    assert bins.count.tolist() == [2, 2]


def test_a_perfectly_calibrated_model_has_an_error_of_the_size_of_chance():
    generator = np.random.default_rng(1)
    confidence = generator.uniform(0.1, 1.0, 200_000)
    correct = generator.uniform(size=200_000) < confidence
    # A bin's accuracy has a standard error of at most 0.5 / sqrt(200,000 / 15) = 0.0043, so the mean distance is less.
    assert calibration(confidence, correct).error < 0.0043


def test_bin_means_agree_with_scikit_learns_calibration_curve():
    from sklearn.calibration import calibration_curve

    generator = np.random.default_rng(2)
    confidence = generator.uniform(size=5000)
    correct = generator.uniform(size=5000) < confidence**2
    bins = calibration(confidence, correct, n_bins=10)
    accuracy_per_bin, mean_confidence = calibration_curve(correct, confidence, n_bins=10)
    np.testing.assert_allclose(bins.accuracy, accuracy_per_bin, rtol=1e-12)
    np.testing.assert_allclose(bins.confidence, mean_confidence, rtol=1e-12)


def test_confidences_outside_0_to_1_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([0.5, np.nan], [1, 1])
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration([1.5], [1])


def test_wilson_interval_of_published_values():
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3
    low, high = wilson_interval([81, 0], [263, 20])
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_interval_holds_the_share_and_stays_in_bounds(successes, failures):
    n = successes + failures
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        low, high = wilson_interval(successes, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low - 1e-12 <= successes / n <= high + 1e-12
