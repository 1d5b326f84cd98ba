"""The log-probability page: it tells its story, its controls and its probe are at work."""

import shutil
import subprocess
import sys
from functools import partial

import pytest

from core import settings
from core.chapters.log_probability import story
from core.chapters.log_probability.references import BENCHMARK_COMMAND
from core.runs.store import Run, RunStore
from core.settings import ROOT
from tests.conftest import make_run
from tests.pages import screen
from tests.pages.screen import film, texts, untold
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


@pytest.mark.parametrize(("epoch", "digit"), [(1, 7), (2, 3)])
def test_the_page_tells_the_whole_story_of_epoch_and_digit(run, epoch, digit):
    app = open_page(run, epoch=str(epoch), digit=str(digit))
    assert untold(app, story.tell(run, epoch, digit, RunStore().list("log_probability"))) == []
    table = next(one.value for one in app.dataframe if "PPCA, same z" in one.value).set_index("digit")
    assert table.loc[0, "at epoch"] == pytest.approx(
        run.history()["validation_log_prob_digit_0"].iloc[epoch - 1], abs=1e-6
    )
    assert list(film(app, "Ten decoded draws")[0]) == run.sample_epochs()
    best = run.table("images_validation").query("label == @digit")["log_prob"].max()
    assert any(f"{best:.1f} ±".replace("-", "−") in one.value for one in app.html)


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


def test_without_its_run_the_benchmark_is_burdas_table_and_a_command(run, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "shipped_root", lambda: tmp_path)
    app = open_page(run)
    assert "No run of this benchmark is here" in texts(app)
    assert [one.value for one in app.code] == [BENCHMARK_COMMAND]


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
