"""Sentences computed from tables: they turn with the numbers."""

import pandas as pd
import pytest

from core.families.log_probs import findings


def digits(values, error=0.1, sd=5.0, images=1000):
    return pd.DataFrame({"label": range(len(values)), "log_prob": values, "error": error, "sd": sd, "images": images})


def test_ranking_names_first_last_and_lead():
    said = findings.ranking_sentence(digits([-50.0, -25.0, -40.0]))
    assert said == (
        "Digit **1** is the most probable (−25.00 nats), digit 0 the least (−50.00). "
        "It leads digit 2 by 15.00 ± 0.14 nats."
    )
    assert "within the error" in findings.ranking_sentence(digits([-25.1, -25.0, -40.0]))
    assert findings.ranking_sentence(digits([-3.0])).endswith("(−3.00).")


def test_the_whole_of_per_digit_rows_is_that_of_the_images():
    rows = pd.DataFrame({"label": [0, 0, 1, 1, 1], "log_prob": [1.0, 3.0, 5.0, 7.0, 12.0]})
    grouped = rows.groupby("label")["log_prob"]
    table = pd.DataFrame(
        {"label": [0, 1], "log_prob": grouped.mean(), "sd": grouped.std(ddof=1), "images": grouped.size()}
    )
    mean, error = findings.whole(table)
    assert mean == pytest.approx(rows["log_prob"].mean())
    assert error == pytest.approx(rows["log_prob"].std(ddof=1) / 5**0.5)


@pytest.mark.parametrize(("train", "ending"), [(-40.0, "a little better"), (-45.1, "no more than the error")])
def test_the_gap_turns_with_its_error(train, ending):
    said = findings.gap_sentence(digits([train] * 2), digits([-45.0] * 2), "test")
    assert ending in said
    assert "a test image −45.00" in said


def test_reasons_name_the_stronger_factor():
    correlations = pd.DataFrame(
        [
            {"factor": factor, "scope": scope, "pearson": r}
            for factor, r in (("ink", -0.4), ("intrinsic dimension", -0.7))
            for scope in ("all images", "between digits", "within digits")
        ]
    )
    explained = pd.DataFrame({"by": ["both", "the digit alone", "all three"], "share": [0.5, 0.25, 0.625]})
    first, second = findings.ink_sentences(correlations, explained)
    assert "ink (r = −0.40 over all images" in first
    assert first.endswith("intrinsic dimension is the stronger.")
    assert "explain 50 % of its variance" in second
    assert "explains 25 %, and the three together 62 %" in second


def test_what_is_left_at_equal_ink():
    row = {"label": 1, "raw": 20.0, "at_equal_ink": 6.0, "share_ink": 0.5}
    matched = pd.DataFrame([{**row, "at_equal_intrinsic_dimension": float("nan"), "share_intrinsic_dimension": 0.0}])
    said = findings.matched_sentence(matched, 1)
    assert said == (
        "A 1 is +20.00 nats more probable than the other digits; what is left of it is +6.00 at equal ink "
        "(comparing 50 % of its images)."
    )
    nothing = matched.assign(at_equal_ink=float("nan"))
    assert "no other digit is comparable" in findings.matched_sentence(nothing, 1)


@pytest.mark.parametrize(
    ("reconstruction", "kl", "words"),
    [(8.0, 2.0, "drawn more exactly** (80 %)"), (1.0, 9.0, "less has to be said to describe it** (90 %)")],
)
def test_the_split_names_the_larger_term(reconstruction, kl, words):
    terms = pd.DataFrame([{"label": 1, "log_prob": 10.0, "reconstruction": reconstruction, "kl": kl, "slack": 0.0}])
    assert words in findings.split_sentence(terms, 1)
    behind = terms.assign(log_prob=-10.0)
    assert "mostly" not in findings.split_sentence(behind, 1)


@pytest.mark.parametrize(
    ("gaps", "words"),
    [([0.9, 1.0, 1.1], "importance sampling misses"), ([-1, 1, 0.1], "agree"), ([-0.9, -1, -1.1], "too short")],
)
def test_estimators_agree_or_not(gaps, words):
    assert words in findings.estimators_sentence(pd.DataFrame({"gap": gaps}))


def test_tightening_and_baseline():
    curve = pd.DataFrame({"samples": [1, 1000, 5000], "missing": [2.5, 0.12, 0.0]})
    assert findings.tightening_sentence(curve) == (
        "One sample (the ELBO) falls 2.50 nats short of 5,000 samples; 1,000 samples fall 0.12 short."
    )
    metrics = {"test_log_prob_nats": -46.0, "ppca_all_test_log_prob_nats": -80.5}
    assert "gains +34.50" in findings.baseline_sentence(metrics, "test")
    assert findings.baseline_sentence({}, "test") is None


def comparison(own, twin, error=0.1):
    rows = [{"model": name, "slack": s, "slack_error": error, "log_prob": p} for name, (s, p) in (own, twin)]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("own", "twin", "words"),
    [
        (2.0, 3.0, "the per-image latents estimates q better"),
        (3.0, 2.0, "the encoder estimates q better"),
        (2.0, 2.05, "no difference"),
    ],
)
def test_who_estimates_q_better(own, twin, words):
    table = comparison(("latent", (own, -50.0)), ("amortised", (twin, -48.0)))
    assert words in findings.better_q_sentence(table)
    assert "2.00 below the amortised twin's −48.00" in findings.models_sentence(table)


@pytest.mark.parametrize(("train", "words"), [(0.5, "the encoder itself overfits"), (1.48, "no less beyond the error")])
def test_the_slack_and_whether_the_encoder_overfits(train, words):
    held = {"approximation": 1.0, "amortisation": 1.5, "slack": 2.5, "amortisation_error": 0.05}
    seen = {**held, "amortisation": train}
    table = pd.DataFrame([{"set": "amortised_held_out", **held}, {"set": "amortised_train", **seen}])
    said = findings.slack_sentence(table)
    assert "2.50 nats open: 1.00 because q is a diagonal normal, 1.50 (60 %)" in said
    assert words in said
