"""The log-probability page: what it shows is what the run's tables hold."""

import shutil
import subprocess
import sys
from functools import partial

import pytest

from core import settings
from core.runs.store import Run, RunStore
from core.settings import ROOT
from tests.conftest import make_run
from tests.pages import screen
from tests.pages.screen import film, texts
from tests.tiny_probability import trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(folder):
    return trained(RunStore(own=folder), iwae_epochs=1, iwae_samples=2)


@pytest.fixture(autouse=True)
def own_runs(folder, run, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(folder))


open_page = partial(screen.open_page, "log_probability")


def test_headline_and_verdict_are_those_of_the_run(run):
    app = open_page(run)
    shown = {metric.label: metric.value for metric in app.metric}
    mean = run.metrics["validation_log_prob_nats"]
    assert shown["Mean log p(x), validation"] == f"{mean:,.2f} nats".replace("-", "−")
    digits = run.table("digits").query("split == 'validation'")
    best = digits.loc[digits["log_prob"].idxmax()]
    assert shown[f"Most probable: {best['label']:.0f}"] == f"{best['log_prob']:,.2f} nats".replace("-", "−")
    assert f"Digit **{best['label']:.0f}** is the most probable" in texts(app)
    assert "annealed importance sampling differs by" in texts(app)


def test_the_digit_table_holds_both_splits_and_the_exact_baseline(run):
    app = open_page(run)
    table = next(one.value for one in app.dataframe if "PPCA, same z" in one.value)
    digits = run.table("digits").set_index(["split", "label"])["log_prob"]
    assert table.set_index("digit").loc[3, "validation"] == pytest.approx(digits["validation", 3])
    assert table.set_index("digit").loc[3, "train"] == pytest.approx(digits["train", 3])
    exact = run.table("baselines").query("model == 'ppca' and split == 'validation' and label == 3")["log_prob"]
    assert table.set_index("digit").loc[3, "PPCA, same z"] == pytest.approx(exact.iloc[0])


def test_a_chosen_digit_shows_its_most_and_least_probable_images(run):
    app = open_page(run, digit="7")
    images = run.table("images_validation").query("label == 7")["log_prob"]
    pages = [one.value for one in app.html]
    assert "Most probable 7s of the validation images" in texts(app)
    for value in (images.max(), images.min()):
        assert any(f"{value:.1f} ±".replace("-", "−") in one for one in pages)


def test_the_scrubber_moves_the_quick_look(run):
    app = open_page(run, epoch="1")
    table = next(one.value for one in app.dataframe if "at epoch" in one.value).set_index("digit")
    assert table.loc[0, "at epoch"] == pytest.approx(run.history()["validation_log_prob_digit_0"].iloc[0], abs=1e-6)
    assert "a quick look at 500 validation images after epoch 1" in texts(app)
    assert list(film(app, "Ten decoded draws")[0]) == run.sample_epochs()


def test_values_from_the_link_that_do_not_exist_fall_back(run):
    app = open_page(run, digit="77", epoch="99", model="GPT")
    digits = run.table("digits").query("split == 'validation'")
    best = int(digits.loc[digits["log_prob"].idxmax(), "label"])
    assert f"Most probable {best}s" in texts(app)


def test_the_probe_measures_the_picked_image_with_both_models(run):
    app = open_page(run)
    assert not any(metric.label == "log p(x) of this image" for metric in app.metric)
    app.session_state["log_probability:probe"] = True
    values = []
    for model in ("VAE", "IWAE"):
        app.session_state["log_probability:model"] = model
        app.run()
        assert not app.exception
        values.append(next(m.value for m in app.metric if m.label == "log p(x) of this image"))
    assert all("±" in value and "nats" in value for value in values)
    assert values[0] != values[1]
    assert "validation images." in texts(app)


def test_the_shipped_benchmark_stands_beside_burdas_table(run):
    shipped = RunStore().get("shipped/log_probability/binarised-mnist")
    table = next(one.value for one in open_page(run).dataframe if "NLL (nats)" in one.value).set_index("model")
    assert table.loc["VAE, k = 1", "NLL (nats)"].tolist() == [shipped.metrics["nll_nats_5000"], 86.76]
    assert table.loc["IWAE, k = 10", "NLL (nats)"] == shipped.metrics["iwae_nll_nats_5000"]


def test_without_its_run_the_benchmark_is_burdas_table_and_a_command(run, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "shipped_root", lambda: tmp_path)
    app = open_page(run)
    table = next(one.value for one in app.dataframe if "NLL (nats)" in one.value)
    assert table.set_index("model").loc["IWAE, k = 50", "NLL (nats)"] == 84.78
    assert "No run of this benchmark is here" in texts(app)
    (code,) = [one.value for one in app.code if "binarised-mnist" in one.value]
    from core.chapters.log_probability.config import LogProbabilityConfig

    pairs = code.split("--set ")[1].split()
    monkeypatch.undo()
    shipped = RunStore().get("shipped/log_probability/binarised-mnist")
    assert LogProbabilityConfig.from_dict(LogProbabilityConfig.parse(pairs)) == shipped.config


def test_a_run_that_is_not_measured_yet_shows_its_curves(folder):
    half = make_run(RunStore(own=folder), "log_probability", "half", status="stopped", metrics={})
    text = texts(open_page(half))
    assert "The estimates of log p(x) of single images are made when a training has gone" in text
    assert "The bound that is trained" in text


def test_a_damaged_table_is_named_and_the_page_goes_on(run):
    path = shutil.copytree(run.path, run.path.with_name("broken"))
    broken = Run.read(path)
    (broken.path / "tables" / "tightening.csv").write_text("")
    app = open_page(broken)
    assert "tightening.csv" in texts(app)


def test_opening_the_page_imports_no_torch(run, folder):
    code = (
        "import sys, os\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(ROOT / 'streamlit_app.py')!r}, default_timeout=60)\n"
        f"app.query_params['run'] = {run.id!r}\n"
        "app.switch_page('pages/log_probability.py').run()\n"
        "assert not app.exception\n"
        "assert app.metric\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
