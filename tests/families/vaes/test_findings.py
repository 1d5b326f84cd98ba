"""What is said of a VAE follows from its numbers: the same sentence never stands under other figures."""

import numpy as np
import pandas as pd
import pytest

from core.families.vaes import findings


def measures(train=49.0, validation=51.0, error=0.3):
    rows = {"split": ["train", "validation"], "n": [55_000, 5000], "loss": [train, validation]}
    return pd.DataFrame({**rows, "standard_error": [0.0, error], "reconstruction": [26.0, 28.0], "kl": [23.0, 23.0]})


def classes(gap=2.0):
    return pd.DataFrame(
        {
            "split": ["train", "train", "validation", "validation"],
            "label": [0, 1, 0, 1],
            "loss": [60, 30, 60 + gap, 30 + gap],
        }
    )


def history(*losses):
    return pd.DataFrame({"epoch": range(1, len(losses) + 1), "validation_loss": losses})


def said(found, past):
    return " ".join(findings.overfitting_sentences(found, past))


def test_the_gap_is_validation_less_training_with_its_error():
    found = findings.gap(measures(), classes(1.5))
    assert (found.train, found.validation, found.nats, found.equal_shares) == (49.0, 51.0, 2.0, 1.5)
    assert found.error == pytest.approx(0.3)
    assert found.percent == pytest.approx(100 * 2 / 49)
    assert findings.gap(measures(train=-10.0), classes()).percent is None  # a density above 1 has no percent


def test_gaps_of_every_kept_epoch():
    both = pd.concat([measures(validation=49.5).assign(epoch=1), measures().assign(epoch=30)])
    frame = findings.gaps(both, pd.concat([classes(0.5).assign(epoch=1), classes(1.7).assign(epoch=30)]))
    assert frame["epoch"].tolist() == [1, 30]
    np.testing.assert_allclose(frame["gap_nats"], [0.5, 2.0])
    np.testing.assert_allclose(frame["equal_shares_nats"], [0.5, 1.7])


def test_the_course_knows_the_lowest_loss_up_to_the_epoch():
    frame = history(60, 50, 49, 49.5, 48)
    assert findings.course(frame, 4) == findings.Course(49, 3, 1, 0.5)
    assert findings.course(frame, 5) == findings.Course(48, 5, 0, 0.0)


def test_a_risen_validation_loss_is_called_overfitting():
    text = said(findings.gap(measures(), classes()), findings.course(history(60, 50, 51, 52.5), 4))
    assert "**it overfits**" in text
    assert "lowest after epoch 2 and has risen by 2.50 nats in 2 epochs" in text
    assert "a gap of +2.00 ± 0.30 nats (4.1 %)" in text


def test_a_gap_without_a_rise_has_not_begun_to_overfit():
    text = said(findings.gap(measures(), classes()), findings.course(history(60, 51, 50.0, 50.05), 4))
    assert "lowest after epoch 3 and has not risen since (1 epoch)" in text
    assert "has not begun to overfit" in text


def test_no_gap_and_no_rise_is_no_overfitting():
    text = said(findings.gap(measures(validation=49.1), classes(0.1)), findings.course(history(60, 51, 50), 3))
    assert "at its lowest so far: **no overfitting**" in text


def test_unequal_shares_are_said_only_where_they_matter():
    past = findings.course(history(60, 50), 2)
    assert "counted alike it is +1.50" in said(findings.gap(measures(), classes(1.5)), past)
    assert "counted alike" not in said(findings.gap(measures(), classes(2.0)), past)
    assert "counted alike it is −0.50" in said(findings.gap(measures(), classes(-0.5)), past)


def kl_history(*values):
    frame = pd.DataFrame({"epoch": [1, 2], "train_kl": [9.0, 9.0], "validation_kl": [8.0, 8.0]})
    return frame.assign(**{f"kl_{i}": [0.0, value] for i, value in enumerate(values)})


def test_dimensions_are_sorted_by_their_kl_and_unused_ones_named():
    found = findings.kl_at(kl_history(1.0, 0.001, 3.0, 0.0), 2)
    assert list(found["dimension"]) == [2, 0, 1, 3]
    assert list(found["used"]) == [True, True, False, False]
    assert findings.dimensions_sentence(found) == (
        "2 of 4 latent dimensions are used and carry 4.0 nats about an image; "
        "unused (below 0.01 nats): dimensions 1 and 3."
    )


def test_all_used_none_used_and_one_unused():
    assert findings.dimensions_sentence(findings.kl_at(kl_history(1.0, 2.0), 2)).startswith("All 2 latent dimensions")
    assert "the same image whatever z is" in findings.dimensions_sentence(findings.kl_at(kl_history(1.0, 2.0), 1))
    assert "dimension 1." in findings.dimensions_sentence(findings.kl_at(kl_history(1.0, 0.0, 2.0), 2))


def test_a_history_without_kl_or_epoch_gives_an_empty_table():
    assert findings.kl_at(history(1.0, 2.0), 1).empty
    assert findings.kl_at(kl_history(1.0), 9).empty


def test_terms_and_neighbours_are_said_with_their_numbers():
    text = findings.terms_sentence(measures(), "validation", 7)
    assert text == (
        "With the weights of epoch 7 the ELBO of the 5,000 validation images is −51.00 ± 0.30 nats: "
        "−28.00 for the picture, less 23.00 for what z says."
    )
    points = pd.DataFrame({"label": np.array([1, 1, 2, 3]), "neighbour": np.array([1, 2, 2, 3])})
    assert "for 75.0%" in findings.neighbours_sentence(points)
