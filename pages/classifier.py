"""Digit classifier: how well a small network reads digits, and which ones it still gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.chapters.classifier import story
from core.chapters.classifier.story import ANY, Curves, View
from core.families.classifiers import charts, findings
from core.runs.store import Run
from core.story import Panel
from pages._ui import chapter as ui
from pages._ui.classifier import parts
from pages._ui.show.gallery import gallery

SHOWN = 24  # images in the gallery at once
CLICKS = "_confusion_clicks"  # how often a click was taken up: a fresh chart can take the same click again


def take_click(key: str, classes: Sequence[str]) -> None:
    """Copy a click on the matrix into the two controls beside it, which are what the page reads."""
    cells = st.session_state[key]["selection"].get(charts.CELL) or []
    if cells:
        ui.set_controls({"is": classes[int(cells[0]["label"])], "as": classes[int(cells[0]["predicted"])]})
        st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1


def show_images(run: Run, tables: story.Tables, view: View) -> None:
    """Show the images that the reader points at, with what they are and were read as; as a table without pictures."""
    rows, words = story.chosen_images(tables, view)
    classes = story.classes_of(run)
    shown = f"{min(SHOWN, len(rows))} of {len(rows):,}" if len(rows) > SHOWN else f"{len(rows):,}"
    title = f"{shown} {view.split} images {words}"
    if rows.empty:
        with ui.panel(title):
            ui.nothing_yet("No image was read that way", "Click a coloured cell of the matrix, or choose any and any.")
        return
    source = parts.images_of(run, view.split)
    if source is None:
        ui.show_panel(Panel("mistakes", title, story.listed_images(rows, run, view.split)))
        return
    few = rows.head(SHOWN)
    with ui.panel(title):
        texts = findings.image_texts(few, classes)
        gallery(source.images[few["index"]], texts, key="mistakes", alt=f"{len(few)} {view.split} images", scale=3)


def show_main(run: Run, tables: story.Tables, epoch: int, split: str) -> View:
    """Show the confusion matrix and, beside it, the images of the cell that the reader points at."""
    classes = story.classes_of(run)
    left, right = ui.columns(2)
    with right, st.container(horizontal=True, gap="small"):
        label = ui.control(st.selectbox, "Is", [ANY, *classes], key="is")
        read = ui.control(st.selectbox, "Read as", [ANY, *classes], key="as")
    view = View(epoch, split, *(None if name == ANY else classes.index(name) for name in (label, read)))
    with right:
        show_images(run, tables, view)
    with left:
        key = f"confusion-{st.session_state.get(CLICKS, 0)}"
        panel = story.matrix(run, tables, view)
        ui.show_panel(Panel(key, panel.title, panel.body, panel.help), lambda: take_click(key, classes), charts.CELL)
    return view


def drawing(ch: ui.Chapter) -> Curves:
    """Return how the reader wants the curves."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic loss", value=True, key="log")
        smoothing = ui.control(st.slider, "Smoothing of curves", 0.0, 0.9, step=0.1, value=0.0, key="smoothing")
        return Curves(log, smoothing, ui.overlay_runs(ch))


def show_course(ch: ui.Chapter, epoch: int) -> None:
    """Show the curves."""
    with ui.guarded():
        ui.show_section(story.course(ch.run, epoch, drawing(ch)))


def show_unfinished(ch: ui.Chapter) -> None:
    """Show what there is of a run that has not been evaluated: its figures so far and its curves."""
    run = ch.run
    ui.show_figures(story.figures(run))
    if run.record.epochs_done and not story.evaluated(run):
        ui.not_evaluated(run, "The confusion matrix, the classes and the verdict")
    epoch = ui.epoch_scrubber(ch)
    if epoch:
        show_course(ch, epoch)
    else:
        ui.no_epoch(run)
    ui.show_how(story.how(run, {}, None, ch.runs))


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("classifier")
    run = ch.run
    tables = ui.part(story.read, run)
    if not tables:
        show_unfinished(ch)
        return
    epochs = story.kept_epochs(tables)
    splits = [name for name in ("test", "validation") if name in set(tables["measures"]["split"])]
    with ch.controls:
        split = ui.control(
            st.segmented_control, "Held-out images", splits, default=splits[0], key="split", required=True
        )
    picture = st.container()
    epoch = ui.epoch_scrubber(ch, epochs)
    with picture:
        view = show_main(run, tables, epoch, split)
    ui.show_figures(story.figures(run))
    show_course(ch, epoch)
    ui.show_section(story.details(run, tables, view))
    with ui.guarded():  # it reads the history too
        ui.show_verdict(story.verdict(run, tables, view))
    ui.show_references(story.references(run))
    with ui.probe("Ask the model", key="probe") as opened, ui.guarded():
        if opened:
            parts.show_probe(run, story.at(tables, epoch, split), epochs, epoch, split)
    ui.show_how(story.how(run, tables, view, ch.runs))


with ui.guarded():
    main()
ui.end_contents()
