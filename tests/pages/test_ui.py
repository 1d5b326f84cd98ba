"""What the chapters share on screen, over tiny runs: picker, scrubber, states, panels, probe, tries."""

import numpy as np
import pandas as pd
import pytest

from tests.conftest import break_run, fake_history
from tests.pages.screen import script_of, texts


def chapter():
    import streamlit as st

    from pages._ui import chapter as ui

    ch = ui.open_chapter("vae")
    epoch = ui.epoch_scrubber(ch)
    others = ui.overlay_runs(ch)
    st.text(f"run={ch.run.name} epoch={epoch} others={[one.name for one in others]}")


def shown(at):
    return at.text[0].value


@pytest.fixture
def two(alone, store, tiny_run):
    tiny_run(name="short", epochs=3, created="2026-01-01T10:00:00+00:00")
    tiny_run(name="long", epochs=8, created="2026-01-02T10:00:00+00:00")


def test_a_chapter_opens_with_the_latest_finished_run_at_its_last_epoch(two):
    at = script_of(chapter).run()
    assert not at.exception
    assert at.title[0].value == "Variational autoencoder"
    assert shown(at) == "run=long epoch=8 others=[]"
    assert "8 epochs · seed 0 · cpu, 2 threads · 16 s" in texts(at)
    assert at.query_params == {}


def test_the_url_names_run_and_epoch(two):
    at = script_of(chapter, run="own/vae/short", epoch="2").run()
    assert shown(at) == "run=short epoch=2 others=[]"


@pytest.mark.parametrize(
    "query",
    [
        {"run": "own/vae/nowhere"},
        {"run": "../../etc/passwd"},
        {"run": ""},
        {"run": "x" * 5000},
        {"epoch": "99"},
        {"epoch": "-1"},
        {"epoch": "two"},
        {"with": "own/none"},
        {"job": "own/vae/nowhere"},
        {"job": "../../../etc/passwd"},
    ],
)
def test_what_the_url_says_is_checked(two, query):
    at = script_of(chapter, **query).run()
    assert not at.exception
    assert shown(at) == "run=long epoch=8 others=[]"
    assert "job" not in at.query_params


def test_the_run_can_be_picked_and_the_last_epoch_stays_the_last(two):
    at = script_of(chapter).run()
    at.selectbox(key="vae:run").select("own/vae/short").run()
    assert shown(at) == "run=short epoch=3 others=[]"
    assert at.query_params["run"] == "own/vae/short"
    at.selectbox(key="vae:run").select("own/vae/long").run()
    assert shown(at) == "run=long epoch=8 others=[]"


def test_an_epoch_that_the_other_run_lacks_becomes_its_nearest(two):
    at = script_of(chapter, epoch="5").run()
    assert shown(at) == "run=long epoch=5 others=[]"
    at.selectbox(key="vae:run").select("own/vae/short").run()
    assert shown(at) == "run=short epoch=3 others=[]"


def test_the_arrows_step_and_stop_at_the_ends(two):
    at = script_of(chapter, run="own/vae/short", epoch="2").run()
    at.button(key="_epoch_previous").click().run()
    assert shown(at).startswith("run=short epoch=1")
    assert at.button(key="_epoch_previous").disabled
    for epoch in (2, 3):
        at.button(key="_epoch_next").click().run()
        assert shown(at).startswith(f"run=short epoch={epoch}")
    assert at.button(key="_epoch_next").disabled


def test_runs_are_overlaid_by_short_names_in_the_url(two):
    at = script_of(chapter).run()
    at.multiselect(key="vae:with").select("own/short").run()
    assert shown(at) == "run=long epoch=8 others=['short']"
    assert shown(script_of(chapter, **{"with": "own/short"}).run()) == "run=long epoch=8 others=['short']"


def test_a_single_epoch_needs_no_scrubber(alone, tiny_run):
    tiny_run(epochs=1)
    at = script_of(chapter).run()
    assert shown(at) == "run=tiny epoch=1 others=[]"
    assert "Epoch 1 is the only one recorded" in texts(at)


def test_without_a_run_the_page_says_what_to_do(alone):
    at = script_of(chapter).run()
    assert not at.exception
    assert "press Train in the sidebar" in texts(at)
    assert not at.text


@pytest.mark.parametrize("what", ["json", "history"])
def test_a_damaged_run_is_named_with_its_remedy_and_the_others_still_show(two, tiny_run, what):
    break_run(tiny_run(name="damaged", created="2026-01-03T10:00:00+00:00"), what)
    at = script_of(chapter).run()
    assert not at.exception
    assert "Delete this run and train it again" in texts(at)
    assert ("run.json" if what == "json" else "history.csv") in texts(at)
    if what == "history":  # it is the latest, so the page has opened with it
        at.selectbox(key="vae:run").select("own/vae/long").run()
    assert shown(at).startswith("run=long epoch=8")


@pytest.mark.parametrize(
    ("status", "meta", "words"),
    [
        ("diverged", {"diverged_at": {"epoch": 2, "step": 40}}, "epoch 2, step 40"),
        ("failed", {"reason": "the data are gone"}, "the data are gone"),
        ("stopped", {}, "Stopped after epoch 3 of 3"),
        ("running", {}, "process ended"),
    ],
)
def test_a_run_that_did_not_finish_says_so(alone, tiny_run, status, meta, words):
    tiny_run(status=status, **meta)
    at = script_of(chapter).run()
    assert not at.exception
    assert words in texts(at)


def panels():
    import altair as alt
    import numpy as np
    import pandas as pd

    from pages._ui import chapter as ui

    ui.headline(
        [
            ui.Figure("ELBO", -47.311, "{:,.2f} nats", report=-189.04, published="none", note="held out"),
            ui.Figure("Accuracy", None, "{:.2%}"),
        ]
    )
    frame = pd.DataFrame({"epoch": [1, 2], "value": [1.0, 2.0]})
    with ui.panel("Loss per epoch", help="Lower is better."):
        ui.chart(alt.Chart(frame).mark_line().encode(x="epoch:Q", y="value:Q"), frame, key="loss", alt="Loss")
        ui.table(frame, key="numbers", alt="The numbers")
        ui.image_grid(np.zeros((2, 3, 4, 4), np.uint8), key="grid", alt='Nothing "yet" <b>', row_labels=["a", "b&c"])
    with ui.panel("Nothing recorded"):
        ui.chart(alt.Chart(frame).mark_line(), frame.iloc[:0], key="empty", alt="Nothing")
    ui.verdict(["It is so.", f"See {ui.term('ELBO')}."])
    ui.references([ui.Reference("test", "1", "2", "3", "[link](https://example.org)", "same")])


def test_panels_show_figures_downloads_and_alt_texts():
    at = script_of(panels).run()
    assert not at.exception
    assert [(one.label, one.value) for one in at.metric] == [("ELBO", "−47.31 nats"), ("Accuracy", "–")]
    assert "report −189.04 nats · published none · held out" in texts(at)
    assert [one.label for one in at.get("download_button")] == ["CSV", "CSV", "PNG", "CSV"]
    assert "This run recorded nothing for this chart" in texts(at)
    assert "It is so. See [ELBO](glossary#elbo)." in texts(at)
    (grid,) = [one.value for one in at.html if "<img" in one.value]
    assert 'alt="Nothing &quot;yet&quot; &lt;b&gt;"' in grid
    assert "<span>b&amp;c</span>" in grid


def probing():
    import streamlit as st

    from pages._ui import chapter as ui
    from pages._ui.controls import links

    links.arrive("page")
    ui.control(st.slider, "Level", 0, 10, 0, key="level")
    with ui.probe(key="probe") as opened:
        st.text("open" if opened else "closed")
    ui.how_it_works(formula="x", text="y", tries=[ui.Try("Turn it up", {"level": 7}), ui.Try("Just look")])


def test_the_probe_is_closed_until_opened_and_can_be_linked_to():
    assert script_of(probing).run().text[0].value == "closed"
    assert script_of(probing, probe="true").run().text[0].value == "open"


def test_a_try_sets_the_controls():
    at = script_of(probing).run()
    at.button(key="_try_0").click().run()
    assert at.slider(key="page:level").value == 7
    assert at.query_params["level"] == "7"


def controls():
    import streamlit as st

    from pages._ui import chapter as ui
    from pages._ui.controls import links

    links.arrive("page")
    found = [
        ui.control(st.slider, "Amount", 0, 10, 4, key="amount"),
        ui.control(st.selectbox, "Which", ["one", "two"], key="which"),
        ui.control(st.segmented_control, "Split", ["train", "test"], default="test", required=True, key="split"),
        ui.control(st.toggle, "Log", key="log"),
    ]
    st.text(repr(found))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [4, "one", "test", False]),
        ({"amount": "7", "which": "two", "split": "train", "log": "true"}, [7, "two", "train", True]),
        ({"amount": "99"}, [4, "one", "test", False]),
        ({"amount": "many", "which": "three", "split": "all", "log": "perhaps"}, [4, "one", "test", False]),
    ],
)
def test_controls_come_from_the_url_and_are_checked(query, expected):
    at = script_of(controls, **query).run()
    assert not at.exception
    assert at.text[0].value == repr(expected)


def forged():
    import streamlit as st

    from pages._ui import chapter as ui

    def select(label, options, *, key):
        return "forged"

    def slide(label, low, high, value, *, key):
        return 10 * high

    select.__name__, slide.__name__ = "selectbox", "slider"
    found = [ui.control(select, "Which", ["one", "two"], key="which"), ui.control(slide, "Amount", 0, 10, 4, key="n")]
    st.text(repr(found))


def test_a_value_that_the_browser_made_up_gives_the_default():
    assert script_of(forged).run().text[0].value == repr(["one", 4])


def test_the_history_is_read_anew_when_the_run_changes(alone, tiny_run):
    from core.runs.files import write_csv
    from core.runs.store import Run
    from core.training.session import mark
    from pages._ui.show import reading

    run = mark(tiny_run(epochs=5), epochs_done=2)
    assert len(reading.history(run)) == 2
    frame = reading.history(run)
    frame["train_loss"] = 0.0
    assert reading.history(run)["train_loss"].iloc[0] != 0.0  # a copy: what one page does to it no other sees
    write_csv(run.path / "history.csv", fake_history(5))
    assert len(reading.history(Run.read(run.path, run.origin))) == 2  # rows of epochs that are not whole yet
    mark(run, epochs_done=5)
    assert len(reading.history(Run.read(run.path, run.origin))) == 5


def test_a_sample_comes_back_pixel_for_pixel(alone, tiny_run):
    from core.runs.grids import compose
    from pages._ui.show import reading
    from tests.conftest import fake_grid

    run = tiny_run(epochs=2)
    np.testing.assert_array_equal(np.asarray(reading.sample(run, 2)), compose(fake_grid(2)))


def test_csv_leaves_out_a_plain_index_and_keeps_a_named_one():
    from pages._ui.show.downloads import csv_bytes

    frame = pd.DataFrame({"a": [1, 2]})
    assert csv_bytes(frame) == b"a\n1\n2\n"
    assert csv_bytes(frame.set_index(pd.Index(["x", "y"], name="digit"))) == b"digit,a\nx,1\ny,2\n"
