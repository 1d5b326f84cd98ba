"""The sentences say what planted tables hold."""

import numpy as np
import pandas as pd
import pytest

from core.families.classifiers.findings import (
    accuracy_sentence,
    calibration_sentence,
    confused_pair,
    confusion_sentence,
    matrix,
    overfitting_sentence,
    with_intervals,
)

DIGITS = tuple("0123456789")


@pytest.fixture
def confusion():
    """Ninety right of each digit, 7 times a 9 read as 4, 2 times a 4 read as 9, once a 3 read as 5."""
    planted = 90 * np.eye(10, dtype=np.int64)
    planted[9, 4], planted[4, 9], planted[3, 5] = 7, 2, 1
    return planted


def measures(train=0.01, held=0.02, confidence=0.99, accuracy=0.99, ece=0.004):
    columns = {"confidence": confidence, "accuracy": accuracy, "ece": ece}
    return pd.DataFrame(
        [
            {"split": "train", "n": 5000, "loss": train, **columns},
            {"split": "validation", "n": 5000, "loss": held, **columns},
        ]
    )


def history(*losses):
    epochs = range(1, len(losses) + 1)
    return pd.DataFrame({"epoch": epochs, "validation_loss": losses})


def test_long_rows_become_the_matrix_they_came_from(confusion):
    labels, predicted = np.nonzero(confusion)
    rows = pd.DataFrame({"label": labels, "predicted": predicted, "count": confusion[labels, predicted]})
    np.testing.assert_array_equal(matrix(rows, 10), confusion)


def test_the_pair_counts_both_directions_and_leads_with_the_commoner_one(confusion):
    assert confused_pair(confusion) == (4, 9, 9)
    said = confusion_sentence(confusion, DIGITS)
    assert said == (
        "The pair it confuses most is 9 and 4: 9 of the 10 errors (9 read as 4: 7 times; 4 read as 9: twice)."
    )


def test_a_perfect_model_has_no_pair():
    assert confused_pair(np.eye(10, dtype=np.int64)) == (0, 1, 0)
    assert "no errors" in confusion_sentence(np.eye(10, dtype=np.int64), DIGITS)


def test_accuracy_comes_with_its_interval(confusion):
    assert accuracy_sentence(confusion, "test").startswith(
        "It misreads 10 of 910 test images: 98.90% right (95 % interval 97"
    )


@pytest.mark.parametrize(
    ("table", "past", "expected"),
    [
        (measures(0.01, 0.02), history(0.05, 0.02, 0.03), "50% above its lowest value, in epoch 2: it overfits"),
        (measures(0.01, 0.02), history(0.05, 0.02, 0.0205), "no overfitting so far"),
        (measures(0.03, 0.02), history(0.05, 0.02), "does not overfit"),
    ],
    ids=["risen", "flat", "no-gap"],
)
def test_overfitting_follows_from_the_gap_and_the_rise(table, past, expected):
    assert expected in overfitting_sentence(table, past, epoch=len(past))


def test_epochs_after_the_one_shown_do_not_count():
    said = overfitting_sentence(measures(), history(0.05, 0.02, 0.09), epoch=2)
    assert "no overfitting so far" in said


@pytest.mark.parametrize(
    ("confidence", "accuracy", "word"),
    [
        (0.99, 0.95, "over-confident by 4.0 points"),
        (0.9, 0.95, "under-confident by 5.0"),
        (0.95, 0.9495, "at its word"),
    ],
)
def test_calibration_has_a_direction(confidence, accuracy, word):
    row = measures(confidence=confidence, accuracy=accuracy).iloc[0]
    assert word in calibration_sentence(row)
    assert "0.40 points" in calibration_sentence(row)


def test_intervals_of_bins_hold_their_accuracies():
    bins = with_intervals(pd.DataFrame({"accuracy": [0.0, 0.5, 1.0], "count": [1, 100, 10_000]}))
    assert ((bins["accuracy_low"] <= bins["accuracy"]) & (bins["accuracy"] <= bins["accuracy_high"])).all()
    widths = bins["accuracy_high"] - bins["accuracy_low"]
    assert widths.is_monotonic_decreasing
    # Wilson's interval of 50 of 100
    np.testing.assert_allclose(bins.loc[1, ["accuracy_low", "accuracy_high"]].astype(float), [0.404, 0.596], atol=5e-4)
