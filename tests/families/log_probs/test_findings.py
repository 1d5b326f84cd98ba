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


def image_rows(effective, k_hat=None):
    frame = pd.DataFrame({"effective_samples": effective, "log_prob": -40.0, "standard_error": 0.04})
    return frame if k_hat is None else frame.assign(pareto_k=k_hat)


def test_reliability_states_the_share_that_falls_short_and_the_doubtful_tails():
    said = findings.reliability_sentence(image_rows([5.0] + [50.0] * 999, 0.2), "test")
    assert said == (
        "1 of 1,000 test images (0.1 %) did not reach 20 effective samples and are marked †; on 0 (0.0 %) the weights' "
        "tail makes the error itself doubtful."
    )
    heavy = findings.reliability_sentence(image_rows([50.0] * 4, [0.1, 0.9, float("nan"), 0.8]), "test")
    assert heavy.startswith("All 4 test images have at least 20 effective samples; on 2 (50.0 %)")
    old = findings.reliability_sentence(image_rows([15.0, 50.0]), "validation", wanted=10)
    assert old == (
        "All 2 validation images have at least 10 effective samples; the tail of their weights was not recorded."
    )


@pytest.mark.parametrize(("part", "words"), [(0, "0.0 %"), (3, "0.03 %"), (360, "3.6 %"), (10_000, "100.0 %")])
def test_a_share_is_nothing_only_where_there_is_none(part, words):
    assert findings.share_words(part, 10_000) == words


def test_an_image_is_marked_where_its_samples_are_too_few():
    row = {"log_prob": -52.04, "standard_error": 0.01, "effective_samples": 19.9}
    assert findings.value_with_error(row) == "−52.0 ± 0.1 †"
    assert findings.value_with_error({**row, "effective_samples": 20.0}) == "−52.0 ± 0.1"
    assert findings.value_with_error(row, wanted=10) == "−52.0 ± 0.1"
    assert findings.mark_sentence(10).startswith("† fewer than 10 effective samples")


def test_samples_in_words():
    assert findings.samples_words(5000) == "5,000 samples each"
    assert findings.samples_words(1000, 16_000) == "1,000 to 16,000 samples each"


def test_what_z_is_drawn_from_in_words():
    assert "r = q(z|x)" in findings.sampling_words("encoder")
    assert "worth 30 independent ones" in findings.sampling_words("fitted", 30)


def all_tables():
    both = [digits([-50.0, -25.0, -40.0]).assign(split=name) for name in ("train", "test")]
    terms = [{"label": n, "log_prob": 20.0, "reconstruction": 15.0, "kl": 5.0, "slack": 0.0} for n in (0, 1, 2)]
    row = {"raw": 20.0, "at_equal_ink": 6.0, "share_ink": 0.5}
    matched = [
        {"label": n, **row, "at_equal_intrinsic_dimension": 4.0, "share_intrinsic_dimension": 0.5} for n in (0, 1, 2)
    ]
    scopes = ("all images", "between digits", "within digits")
    return {
        "digits": pd.concat(both),
        "images_test": image_rows([50.0] * 10, 0.3),
        "contributions": pd.DataFrame(terms),
        "correlations": pd.DataFrame([{"factor": "ink", "scope": scope, "pearson": -0.4} for scope in scopes]),
        "explained": pd.DataFrame({"by": ["both", "the digit alone", "all three"], "share": [0.5, 0.25, 0.6]}),
        "matched": pd.DataFrame(matched),
    }


@pytest.mark.parametrize("label", [1, 2])
def test_the_verdict_answers_in_three_sentences_and_keeps_the_rest(label):
    found = findings.verdict(all_tables(), {}, "test", label)
    which, why, sure = found.answer
    assert which.startswith("Digit **1** is the most probable")
    assert "drawn more exactly" in why
    assert sure.startswith("All 10 test images")
    about_label = [sentence for sentence in found.more if f"A {label} is" in sentence]
    assert len(about_label) == 1
    assert len(found.more) == (4 if label == 1 else 5), "the answer's own digit is not split twice"
    with_ais = findings.verdict({**all_tables(), "ais": pd.DataFrame({"gap": [0.1, -0.1]})}, {}, "test", label)
    assert any("annealed importance sampling" in sentence for sentence in with_ais.more)


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
