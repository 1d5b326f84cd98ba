"""The state in words, and the verdict over seeds, from planted measures."""

import math

import pytest

from core.chapters.gan_2d.findings import divergence_sentence, mode_sentences, seeds_in_words
from core.chapters.gan_2d.state import read_state

GOOD = {
    "js": 0.01,
    "arrow": 0.2,
    "undecided": 0.9,
    "level_real": 0.51,
    "level_generated": 0.49,
    "spread": 1.0,
    "modes": 8.0,
    "high_quality": 0.97,
    "sigma_ratio": 0.9,
}


def read(**changes):
    return read_state({**GOOD, **changes}, loss="non-saturating", n_modes=8)


def test_a_finished_training():
    reading = read()
    assert reading.warnings == ()
    assert reading.sentences == (
        "Undecided field: on 90% of the square the discriminator cannot tell real from generated; real points get 0.51 "
        "and generated ones 0.49.",
        "The two sets overlap: JS divergence 0.010 nats of at most 0.693.",
        "Gradients remain, and only shuffle points that already fit: the mean arrow is 0.2 long.",
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"undecided": 0.5}, "Partly decided field: 50%"),
        ({"undecided": 0.05}, "Decided field: only 5%"),
        ({"level_real": 0.2}, "for now the wrong way round"),
        ({"js": 0.2}, "The two sets overlap in part"),
        ({"js": 0.6}, "The two sets hardly overlap"),
        ({"js": 0.2, "arrow": 2.0}, "Gradients remain for the generator to follow: the mean arrow is 2 long"),
        ({"arrow": 0.001}, "No gradient is left"),
    ],
)
def test_each_state_is_said(changes, said):
    assert said in " ".join(read(**changes).sentences)


def test_a_critic_is_called_one():
    assert "the critic cannot tell" in read_state(GOOD, loss="wasserstein", n_modes=8).sentences[0]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"modes": 1.0}, "Mode collapse: 97% of the samples fit, but on 1 of 8 modes."),
        ({"modes": 4.0}, "Mode collapse: 97% of the samples fit, but on 4 of 8 modes."),
        ({"sigma_ratio": 0.05}, "Collapse within modes: their spread is 5% of the real one."),
        ({"spread": 0.1}, "Collapse: the generated points spread over 10% of the real spread."),
        ({"js": 0.5, "arrow": 0.01}, "Vanishing arrows"),
    ],
)
def test_warnings(changes, warning):
    assert read(**changes).warnings[0].startswith(warning)


@pytest.mark.parametrize(
    "changes",
    [
        {"modes": 5.0},  # more than half are covered
        {"modes": 0.0, "high_quality": 0.1},  # it has not arrived anywhere yet
        {"arrow": 0.01},  # nothing to follow, but the sets agree
    ],
)
def test_no_false_alarm(changes):
    assert read(**changes).warnings == ()


def test_nothing_is_warned_of_before_the_first_step():
    assert read_state({**GOOD, "modes": 1.0}, loss="non-saturating", n_modes=8, step=0).warnings == ()


def test_own_points_have_no_modes():
    measures = {name: GOOD[name] for name in ("js", "arrow", "undecided", "level_real", "level_generated", "spread")}
    assert read_state(measures, loss="least-squares").warnings == ()
    assert read_state({**measures, "spread": 0.1}, loss="least-squares").warnings


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_is_said(value):
    assert "diverged" in read(arrow=value).warnings[0]


METRICS = {
    "trials": 10.0,
    "js_mean": 0.02,
    "js_std": 0.004,
    "js_floor": 0.002,
    "modes_min": 25.0,
    "modes_mean": 25.0,
    "high_quality_mean": 0.96,
    "sigma_ratio_mean": 0.9,
}


def test_divergence_over_seeds():
    assert divergence_sentence(METRICS) == (
        "Over 10 seeds the JS divergence is 0.020 ± 0.004 nats (fresh real points measure 0.002, disjoint sets 0.693): "
        "the generator has learned the distribution."
    )
    assert "overlap in part" in divergence_sentence({**METRICS, "js_mean": 0.1})
    assert "hardly overlap" in divergence_sentence({**METRICS, "js_mean": 0.5})
    assert "Over one seed the JS divergence is 0.020 nats" in divergence_sentence({**METRICS, "trials": 1.0})
    assert seeds_in_words({}) == "one seed"


def test_modes_over_seeds():
    said = mode_sentences(METRICS, 25, curve=False)
    assert said[0] == "Every seed covers all 25 modes; 96.0% of the samples lie within 3 sigma of one."
    assert said[1] == "Within a mode they spread over 90% of the real width."
    worse = {**METRICS, "modes_min": 20.0, "modes_mean": 23.4, "high_quality_mean": 0.8, "sigma_ratio_mean": 0.5}
    said = mode_sentences(worse, 25, curve=False)
    assert said[0].startswith("23.4 of 25 modes are covered on average, 20 at worst; 80.0%")
    assert said[0].endswith("the others lie between.")
    assert said[1].endswith("50% of the real width: too narrow.")
    assert mode_sentences({**METRICS, "modes_min": 1.0, "modes_mean": 2.0}, 8, curve=False)[0].startswith(
        "It collapses"
    )
    assert "pieces of the curve" in mode_sentences({**METRICS, "modes_min": 10.0}, 10, curve=True)[0]
    assert mode_sentences(METRICS, 0, curve=False) == []
