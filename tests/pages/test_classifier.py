"""The classifier's page: what it shows is what the run holds."""

import sys
from functools import partial

import numpy as np
import pytest

from core.families.classifiers.config import ClassifierConfig
from pages._ui.show.gallery import gallery_html, sheet
from tests.pages import screen
from tests.planted_classifier import evaluation, history, plant


@pytest.fixture
def run(store):
    return plant(store)


open_page = partial(screen.open_page, "classifier")


def said(app):
    return "\n".join(one.value for one in [*app.markdown, *app.caption, *app.info, *app.warning])


def test_headline_shows_the_runs_metrics_beside_the_report(run):
    app = open_page(run=run.id)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {
        "Validation accuracy": "99.50%",
        "After one epoch": "98.50%",
        "Validation loss": "0.0123 nats",
        "Calibration error": "0.42%",
    }
    assert "report 97.69%" in said(app)
    assert "held out: 1,000 validation images" in said(app)


def test_the_scrubber_drives_matrix_table_verdict_and_images(run):
    app = open_page(run=run.id)
    assert "5 of 1,000 validation images misread after epoch 3" in said(app)
    app.select_slider(key="classifier:epoch").set_value(1).run()
    assert not app.exception
    text = said(app)
    assert "15 of 1,000 validation images misread after epoch 1" in text
    assert "15 of the 15 errors (9 read as 4: 15 times; 4 read as 9: never)" in text
    table = next(one.value for one in app.dataframe if "Recall" in one.value)
    assert table.set_index("Class").loc["9", "Recall"] == pytest.approx(0.85)


def test_a_cell_shows_its_images_with_what_they_were_read_as(run):
    app = open_page(run=run.id)
    app.selectbox(key="classifier:is").set_value("9").run()
    app.selectbox(key="classifier:as").set_value("4").run()
    pages = [one.value for one in app.html if "9 read as 4" in one.value]
    assert len(pages) == 1
    assert pages[0].count("<li>") == 5
    app.selectbox(key="classifier:as").set_value("9").run()
    assert "24 of" not in said(app)
    assert "24 validation images rightly read, the least confident first" in said(app)
    app.selectbox(key="classifier:is").set_value("1").run()
    assert "No image was read that way" in [one.title for one in app.info] or "No image was read that way" in said(app)


def test_values_from_the_link_that_do_not_exist_fall_back(run):
    app = open_page(run=run.id, epoch="99", split="test", **{"is": "eleven", "as": "4"})
    assert "misread after epoch 3" in said(app)
    assert app.selectbox(key="classifier:is").value == "any"


def test_opening_the_page_loads_no_model_and_the_probe_asks_it(run):
    app = open_page(run=run.id)
    assert not any("sure after epoch" in one.value for one in app.markdown)
    app.session_state["classifier:probe"] = True
    app.session_state["classifier:from"] = "Pick"
    app.run()
    assert not app.exception
    assert any("sure after epoch 3" in one.value for one in app.markdown)
    mistakes = evaluation()["mistakes"]
    first = mistakes[mistakes["epoch"] == 3]["index"].iloc[0]  # the most confident mistake is offered first
    assert any(f"validation image {first:,}: 9" in one.value for one in app.html)


def test_a_run_without_evaluation_shows_its_curves_and_says_what_is_missing(tiny_run):
    stopped = tiny_run("classifier", name="half", status="stopped", history=history(), grids=())
    app = open_page(run=stopped.id)
    assert "The confusion matrix, the classes and the verdict are made when a training has gone through" in said(app)
    assert "Mean loss of an image" in said(app)


def test_a_damaged_table_is_named_and_the_page_goes_on(run):
    (run.path / "tables" / "confusion.csv").write_text("epoch,split\n1,validation\n")
    app = open_page(run=run.id)
    assert app.metric[0].value == "99.50%"
    shown = said(app) + "".join(str(one.title) for one in app.warning)
    assert "confusion.csv" in shown
    assert "Mean loss of an image" in shown


def test_missing_images_leave_the_lists(run, monkeypatch):
    from core.errors import DataError

    def absent(*_):
        raise DataError("MNIST is not on this machine", "Download it")

    monkeypatch.setattr("core.data.held_out", absent)
    monkeypatch.setattr("pages._ui.classifier.parts.held_out", absent)
    app = open_page(run=run.id)
    table = next(one.value for one in app.dataframe if "Confidence" in one.value)
    assert len(table) == 5
    assert set(table["Is"]) == {"9"}
    assert set(table["Read as"]) == {"4"}


def test_the_page_script_imports_no_torch():
    import subprocess

    code = (
        "import sys; from core.families.classifiers import charts, findings, layers; "
        "import pages._ui.classifier.parts; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


def test_the_command_shown_trains_the_same_config():
    config = ClassifierConfig(data="fashion-mnist", epochs=20, width=32, flip=True, erase=8, weight_decay=0.02)
    words = config.command("classifier").split()
    assert words[:4] == ["python", "-m", "core", "train"]
    pairs = [f"data={words[words.index('--data') + 1]}", *words[words.index("--set") + 1 :]]
    assert ClassifierConfig.from_dict(ClassifierConfig.parse(pairs)) == config
    assert ClassifierConfig().command("classifier") == "python -m core train classifier --data mnist"


class TestGallery:
    def test_images_fill_rows_and_the_rest_is_black(self):
        images = np.full((3, 4, 4), 9, np.uint8)
        cells = sheet(images, per_row=2)
        assert cells.shape == (2, 2, 4, 4)
        assert cells[1, 1].max() == 0
        assert (cells.reshape(4, 4, 4)[:3] == 9).all()

    def test_each_cell_shows_its_own_part_of_the_picture(self):
        html = gallery_html(np.zeros((10, 28, 28), np.uint8), [str(i) for i in range(10)], name="g", alt="ten", scale=2)
        assert html.count("<li>") == 10
        # the tenth image lies one image and a gap of 2 pixels down and along, in pixels that the card's scale enlarges
        assert 'aria-label="9" style="--x: 30; --y: 30"' in html

    def test_texts_are_escaped_and_numbers_must_agree(self):
        from core.errors import DataError

        assert "&lt;b&gt;" in gallery_html(np.zeros((1, 28, 28), np.uint8), ["<b>"], name="g", alt="one")
        with pytest.raises(DataError, match="one text per image"):
            gallery_html(np.zeros((2, 28, 28), np.uint8), ["one"], name="g", alt="two")
        with pytest.raises(DataError, match="Give uint8"):
            sheet(np.zeros((0, 28, 28), np.uint8))
