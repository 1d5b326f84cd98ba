"""Home, in AppTest: cards with the figures of the runs, data, own runs; and opening any page imports no torch."""

import os
import subprocess
import sys
import textwrap

import pytest
from streamlit.testing.v1 import AppTest

from core.data import DATASETS
from core.data.fetching import Fetch
from core.errors import AtlasError, DataError
from core.registry import EXPERIMENTS
from core.runs.locks import Lock
from core.runs.store import LOCK, Run
from core.settings import ROOT
from pages._ui.shell import cards, datasets, own_runs
from pages._ui.shell import navigation as atlas
from tests.conftest import break_run
from tests.pages.screen import TIMEOUT_S, texts


@pytest.fixture
def home(alone):
    return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=TIMEOUT_S)


def on_validation(text):
    """The name of a measure, or what it says, where the data (mnist-5k) have no test images."""
    return text.replace("test", "validation")


def test_cards_show_the_headline_figure_of_each_chapter(home, tiny_run):
    for name in EXPERIMENTS:
        tiny_run(name, metrics={on_validation(EXPERIMENTS[name].headline): 0.4321})
    at = home.run()
    assert not at.exception
    found = {one.label: one.value for one in at.metric}
    for group in atlas.chapters().values():
        for about in group:
            assert found[f"{on_validation(about.headline_label)} · your run tiny"] == format(
                0.4321, about.headline_format
            )
    assert [one.value for one in at.page_link if one.value.startswith("**")] == [
        f"**{about.title}**" for group in atlas.chapters().values() for about in group
    ]


def test_without_test_images_the_card_takes_the_validation_figure(home, tiny_run):
    tiny_run("classifier", metrics={"validation_accuracy": 0.987})
    at = home.run()
    assert [(one.label, one.value) for one in at.metric] == [("validation accuracy · your run tiny", "98.70%")]


def test_a_card_shows_images_or_else_a_curve(home, tiny_run):
    tiny_run("vae")
    tiny_run("classifier", grids=())
    at = home.run()
    assert not at.exception
    assert [one.value for one in at.html if "<img" in one.value and "Variational autoencoder: images" in one.value]
    assert len(at.get("vega_lite_chart")) == 1


def test_a_card_without_a_run_says_what_to_do(home):
    at = home.run()
    assert not at.exception
    assert not at.metric
    assert "No run yet: open it and press Train" in texts(at)


def test_one_unreadable_run_does_not_hide_the_others(home, tiny_run):
    tiny_run(name="good")
    break_run(tiny_run(name="bad"))
    break_run(tiny_run("classifier", name="blurred"), "grid")
    at = home.run()
    assert not at.exception
    assert "**own/vae/bad** does not read" in texts(at)
    assert "· good" in texts(at)
    assert "bad/run.json" in texts(at)


def test_data_sets_say_whether_they_are_here(home, monkeypatch, tmp_path):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    at = home.run()
    said = texts(at)
    for info in DATASETS.values():
        assert f"**{info.title}** `{info.name}`" in said
    labels = [one.label for one in at.button]
    assert labels.count("Download 11 MB") == 1
    assert labels.count("Download 29 MB") == 1
    assert "python -m core data mnist" in said


def test_read_only_offers_neither_download_nor_deletion(home, tiny_run, monkeypatch, tmp_path):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    monkeypatch.setenv("EPOCH_ATLAS_READONLY", "1")
    tiny_run()
    at = home.run()
    assert not at.exception
    assert not [one.label for one in at.button if one.label.startswith(("Download", "Delete"))]
    assert "Downloads are switched off in this deployment" in texts(at)


def test_a_refused_download_is_shown_with_its_remedy(home, monkeypatch, tmp_path):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))

    def refuse(name):
        raise DataError(f"{name} is out of reach", "Look for the cable")

    monkeypatch.setattr(datasets, "fetch", refuse)
    at = home.run()
    at.button(key="_get_mnist").click().run()
    assert not at.exception
    assert "mnist is out of reach" in texts(at)
    assert "Look for the cable." in texts(at)


def test_a_download_in_progress_shows_how_far_it_is(home, monkeypatch, tmp_path):
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    hang = "import json, sys; print(json.dumps({'done': 1 << 20, 'total': 4 << 20}), flush=True); sys.stdin.read()"
    fetching = Fetch("mnist", (sys.executable, "-c", hang))
    monkeypatch.setattr(datasets, "current", lambda name: fetching if name == "mnist" else None)
    fetching.heard.wait(TIMEOUT_S)
    at = home.run()
    assert [(one.value, one.text) for one in at.get("progress")] == [(25, "1 MB of 4 MB")]
    at.button(key="_stop_mnist").click().run()
    fetching.wait(TIMEOUT_S)
    assert not fetching.running


def test_delete_deletes_own_runs_only_and_none_in_training(alone, tiny_run):
    run = tiny_run()
    with Lock.take(run.path / LOCK):
        assert isinstance(own_runs.delete(run.id), AtlasError)
    assert run.path.is_dir()
    assert own_runs.delete(run.id) == "Deleted own/vae/tiny"
    assert not run.path.exists()
    assert isinstance(own_runs.delete(run.id), AtlasError)
    assert isinstance(own_runs.delete("../../etc"), AtlasError)


def test_many_own_runs_are_folded(home, tiny_run):
    for i in range(own_runs.FEW + 2):
        tiny_run(name=f"run-{i}", epochs=1, grids=())
    at = home.run()
    assert sum(one.label == "Delete" for one in at.button) == own_runs.FEW
    at.toggle(key="_all_runs").set_value(True).run()
    assert sum(one.label == "Delete" for one in at.button) == own_runs.FEW + 2


def test_the_picture_prefers_samples(alone, tiny_run):
    run = tiny_run(grids=("aaa", "samples"))
    assert cards.picture_kind(run) == "samples"
    assert cards.picture_kind(tiny_run(name="other", grids=("aaa",))) == "aaa"
    assert cards.picture_kind(Run.read(tiny_run(name="none", grids=()).path)) is None


def test_chapters_follow_the_registry_and_only_those_with_a_page(monkeypatch, tmp_path):
    (tmp_path / "vae.py").touch()
    monkeypatch.setattr(atlas, "PAGES", tmp_path)
    assert {group: [one.name for one in members] for group, members in atlas.chapters().items()} == {
        "Variational models": ["vae"]
    }
    assert {one.group for one in EXPERIMENTS.values()} <= set(atlas.GROUPS)


PAGES = ["home", "glossary", *(name for name in EXPERIMENTS if (ROOT / "pages" / f"{name}.py").is_file())]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_opening_a_page_imports_no_torch(name, store, tiny_run):
    for experiment in EXPERIMENTS:
        tiny_run(experiment)
    code = f"""
        import sys
        from streamlit.testing.v1 import AppTest
        at = AppTest.from_file("streamlit_app.py", default_timeout=60)
        if "{name}" != "home":
            at.switch_page("pages/{name}.py")
        at.run()
        assert not at.exception, at.exception
        assert at.title, "nothing was shown"
        heavy = sorted({{"torch", "torchvision", "sklearn", "scipy"}} & set(sys.modules))
        print("heavy:", heavy)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "EPOCH_ATLAS_RUNS": str(store.roots["own"])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("heavy: []")
