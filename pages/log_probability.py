"""Log-probability: which digit the model finds most probable, how sure that is, and why."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.chapters.log_probability import story
from core.chapters.log_probability.references import BENCHMARK_COMMAND
from core.data import DATASETS
from core.story import Panel
from core.telling import Tables
from pages._ui import chapter as ui
from pages._ui.log_probability.probe import show_probe

CLICKS = "_digit_clicks"  # how often a click was taken up: a fresh table can take the same click again


def show_pictures(ch: ui.Chapter, tables: Tables, epoch: int) -> None:
    """Show one image of each digit with its log p(x), and draws of the epoch."""
    if story.measured(ch.run):
        with ui.guarded():
            ui.show_panel(story.one_of_each(ch.run, tables))
    with ui.guarded():
        draws = story.draws(ch.run, epoch)
        if draws is not None:
            ui.show_panel(draws)


def take_click(key: str, labels: Sequence[int]) -> None:
    """Copy a click on a row of the table into the control ``digit``, which is what the page reads."""
    rows = st.session_state[key]["selection"]["rows"]
    if rows and int(rows[0]) < len(labels):
        ui.set_controls({"digit": str(labels[int(rows[0])])})
        st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1


def show_digits(ch: ui.Chapter, tables: Tables, epoch: int) -> int:
    """Show the table per digit, sortable and coloured; return the digit that the reader looks at."""
    ui.heading("Digits", "digits")
    labels = [int(label) for label in story.of_split(tables, story.held_out_split(ch.run))["label"]]
    clicks = st.session_state.get(CLICKS, 0)
    key = f"digits-{clicks}" if clicks else "digits"
    panel = story.digit_table(ch.run, tables, epoch)
    ui.show_panel(Panel(key, panel.title, panel.body, panel.help), lambda: take_click(key, labels))
    options, best = [str(label) for label in labels], str(story.best_digit(ch.run, tables))
    chosen = ui.control(st.segmented_control, "Digit looked at", options, default=best, key="digit", required=True)
    name = DATASETS[ch.run.config.data].classes[int(chosen)]
    if name != chosen:  # clothes have names
        st.caption(f"Class {chosen}: {name}")
    return int(chosen)


def show_course(ch: ui.Chapter, epoch: int) -> None:
    """Show the bound and the quick log p(x) over epochs, and those of the runs that the reader lays beside."""
    with ch.controls:
        others = ui.overlay_runs(ch)
    with ui.guarded():
        ui.show_section(story.course([ch.run, *others], epoch))


def show_elsewhere(ch: ui.Chapter, tables: Tables) -> None:
    """Show the second estimator and the benchmark, with the command that trains its run."""
    with ui.guarded():
        ui.show_section(story.elsewhere(ch.run, tables, ch.runs))
        st.code(BENCHMARK_COMMAND, language="bash", wrap_lines=True)


def show_end(ch: ui.Chapter, tables: Tables, label: int | None) -> None:
    """Show the verdict, and the run beside the reports."""
    if label is not None:
        with ui.guarded():
            ui.show_verdict(story.verdict(ch.run, tables, label))
    with ui.guarded():
        rows = story.references(ch.run, tables)
        if rows:
            ui.show_references(rows)


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("log_probability")
    run, tables = ch.run, Tables(ch.run, ui.run_table)
    picture = st.container()
    epoch = ui.epoch_scrubber(ch, film=True)
    with ui.guarded():
        ui.show_figures(story.figures(run, tables))
    if not epoch:
        ui.no_epoch(run, "Curves appear with it, log p(x) when training has ended.")
        return
    with picture:
        show_pictures(ch, tables, epoch)
    with ui.probe("Probe the model: measure an image", key="probe") as opened:
        if opened:
            with ui.guarded():
                show_probe(run)
    if story.measured(run):
        label = ui.part(show_digits, ch, tables, epoch)
        for tell in (story.images_of_digit, story.distribution, story.reasons):
            if label is not None:
                with ui.guarded():
                    ui.show_section(tell(run, tables, label))
        show_course(ch, epoch)
        show_elsewhere(ch, tables)
        show_end(ch, tables, label)
    else:
        ui.not_evaluated(run, "The estimates of log p(x) of single images")
        show_course(ch, epoch)
    with ui.guarded():
        ui.show_how(story.how(run))


with ui.guarded():
    main()
ui.end_contents()
