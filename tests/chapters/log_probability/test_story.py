"""The story of log-probability: what it says is what the run's tables hold."""

import pytest

from core.chapters.log_probability import story
from core.chapters.log_probability.config import LogProbabilityConfig
from core.chapters.log_probability.digits import glance
from core.chapters.log_probability.references import BENCHMARK_COMMAND, benchmark
from core.families.log_probs import findings
from core.runs.store import RunStore
from core.telling import Tables
from core.words import number
from tests.conftest import make_run
from tests.tiny_probability import trained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(RunStore(own=tmp_path_factory.mktemp("runs")), iwae_epochs=1, iwae_samples=2)


@pytest.fixture(scope="module")
def told(run):
    return story.tell(run)


@pytest.fixture(scope="module")
def shipped():
    return RunStore().get("shipped/log_probability/binarised-mnist")


def test_figures_are_those_of_the_run(run, told):
    shown = {figure.label: figure.value for figure in told.figures}
    assert shown["Mean log p(x), validation"] == run.metrics["validation_log_prob_nats"]
    digits = run.table("digits").query("split == 'validation'")
    best = digits.loc[digits["log_prob"].idxmax()]
    assert shown[f"Most probable: {best['label']:.0f}"] == best["log_prob"]
    assert shown["Second estimator"] == run.metrics["ais_gap_nats"]
    assert all(figure.report is None for figure in told.figures), "the reports are of another exercise"
    assert findings.samples_words(run.config.samples, run.config.most_samples) in told.figures[0].note


def test_the_verdict_answers_which_why_and_how_sure(run, told):
    which, why, sure = told.verdict.answer
    assert which.startswith(f"Digit **{story.best_digit(run, Tables(run))}** is the most probable")
    assert "reconstruction gives" in why
    assert "effective samples" in sure
    assert any("annealed importance sampling differs by" in sentence for sentence in told.verdict.more)


@pytest.mark.parametrize("label", [3, 7])
def test_the_chosen_digit_is_told_of(run, label):
    chosen = story.tell(run, label=label)
    images = run.table("images_validation").query("label == @label")["log_prob"]
    for key, title, value in (("best", "Most", images.max()), ("worst", "Least", images.min())):
        panel = chosen.panel(key)
        assert panel.title == f"{title} probable {label}s of the validation images"
        assert panel.body.texts[0].startswith(number(value, "{:.1f} ±"))
        assert panel.body.images().shape == (8, 28, 28)
    for key in ("ridges", "contributions", "against-ink", "against-intrinsic_dimension"):
        assert chosen.panel(key).body.settings["chosen"] == label
    assert set(chosen.panel("tightening").body.frame["series"]) == {"all digits", f"digit {label}", "all digits, IWAE"}
    assert any(f"A {label} is" in sentence for sentence in chosen.verdict.more)


def test_one_image_of_each_digit_is_named(told):
    texts = told.panel("typical").body.texts
    assert [text.split(":")[0] for text in texts] == [str(label) for label in range(10)]
    assert findings.mark_sentence() in told.panel("typical").help


def test_the_digit_table_holds_both_splits_and_the_exact_baseline(run, told):
    body = told.panel("digits").body
    table = body.frame.set_index("digit")
    digits = run.table("digits").set_index(["split", "label"])["log_prob"]
    assert table.loc[3, "log_prob"] == digits["validation", 3]
    assert table.loc[3, "train"] == digits["train", 3]
    exact = run.table("baselines").query("model == 'ppca' and split == 'validation' and label == 3")["log_prob"]
    assert table.loc[3, "ppca"] == exact.iloc[0]
    assert body.columns["log_prob"].title == "validation"
    assert body.columns["digit"].pinned
    assert set(body.coloured) == {"log_prob", "train", "quick", "ppca", "ppca_all"}
    assert all(style.startswith("background-color") for style in body.colour(table["log_prob"]))


@pytest.mark.parametrize("epoch", [1, 2])
def test_the_epoch_moves_quick_look_curves_and_draws(run, epoch):
    at = story.tell(run, epoch)
    row = run.history().set_index("epoch").loc[epoch]
    quick = at.panel("digits").body.frame.set_index("digit")["quick"]
    assert quick[0] == row["validation_log_prob_digit_0"]
    assert f"500 validation images after epoch {epoch}" in at.panel("digits").help
    assert at.panel("samples").body.epoch == epoch
    assert at.panel("curve-bound").body.settings["epoch"] == epoch


def test_an_epoch_without_a_quick_look_has_no_column(run):
    assert glance(run.history(), 99) == {}
    assert "quick" not in story.tell(run, 99).panel("digits").body.frame


def test_correlations_are_signed_with_their_intervals(run, told):
    shown = told.panel("correlations").body.texts()
    stored = run.table("correlations")
    assert shown["r"].tolist() == [number(value, "{:+.3f}") for value in stored["pearson"]]


def test_the_benchmark_stands_beside_burdas_table(shipped):
    table = benchmark([shipped]).body.frame
    values = table.groupby("model")["nll"].apply(list)
    assert values["VAE, k = 1"] == [shipped.metrics["nll_nats_5000"], 86.76]
    assert values["IWAE, k = 10"] == [shipped.metrics["iwae_nll_nats_5000"]]


def test_without_its_run_the_benchmark_is_burdas_table_and_a_command(run, shipped):
    panel = benchmark([run])
    assert len(panel.body.frame) == 6
    assert "No run of this benchmark is here" in panel.help
    pairs = BENCHMARK_COMMAND.split("--set ")[1].split()
    assert LogProbabilityConfig.from_dict(LogProbabilityConfig.parse(pairs)) == shipped.config


def test_the_reports_stand_beside_the_run_of_the_same_exercise():
    mnist = RunStore().get("shipped/log_probability/mnist")
    test, train, one = story.references(mnist, Tables(mnist))
    assert test.this_run.startswith(number(mnist.metrics["test_log_prob_nats"], "{:,.2f} ±"))
    assert (test.report, train.report, one.report) == ("−189.04", "−178.49", "−66.16")
    assert one.this_run == number(mnist.metrics["test_log_prob_digit_1"], "{:,.2f}")
    assert story.figures(mnist, Tables(mnist))[0].report == -189.04


def test_how_it_is_drawn_is_how_it_was_measured(run, shipped):
    assert run.config.proposal == "fitted"
    assert "the posterior's mode, curvature and spread are found for every image" in story.how(run).text
    assert "z is drawn from there, r = q(z|x), the same number of times for every image" in story.how(shipped).text


def test_a_run_that_is_not_measured_yet_tells_how_far_it_is(tmp_path):
    half = make_run(RunStore(own=tmp_path), "log_probability", "half", status="stopped", metrics={})
    assert not story.measured(half)
    assert all("so far, after epoch 3" in figure.note for figure in story.figures(half, Tables(half)))
