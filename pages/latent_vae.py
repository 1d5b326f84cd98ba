"""Per-image latents: an encoder for all images, or every image for itself? Both from one start, side by side."""

from __future__ import annotations

import streamlit as st

from core.chapters.latent_vae import story
from core.telling import Tables
from pages._ui import chapter as ui
from pages._ui.latent_vae.probe import show_probe
from pages._ui.vaes.probe import show_table_probe


def show_pictures(ch: ui.Chapter, epoch: int) -> None:
    """Show the draws and the reconstructions of both models."""
    for tell in (story.draws, story.reconstructions):
        with ui.guarded():
            panel = tell(ch.run, epoch)
            if panel is not None:
                ui.show_panel(panel)


def show_course(ch: ui.Chapter, epoch: int) -> None:
    """Show both models' terms over epochs, and those of the runs that the reader lays beside."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic axes", key="log")
        others = ui.overlay_runs(ch)
    with ui.guarded():
        ui.show_section(story.course([ch.run, *others], epoch, log), across=3)


def show_evaluation(ch: ui.Chapter, tables: Tables) -> None:
    """Show what the bound leaves open, and who estimates q better."""
    if not story.evaluated(ch.run):
        ui.not_evaluated(ch.run, "The split of the slack and the verdict")
        return
    with ui.guarded():
        ui.show_section(story.slack(ch.run, tables))
    with ui.guarded():
        ui.show_verdict(story.verdict(tables))
    with ui.guarded():
        rows = story.references(ch.run)
        if rows:
            ui.show_references(rows)


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("latent_vae")
    run, tables = ch.run, Tables(ch.run, ui.run_table)
    picture = st.container()
    epoch = ui.epoch_scrubber(ch, film=True)
    with ui.guarded():
        ui.show_figures(story.figures(run))
    if not epoch:
        ui.no_epoch(run)
        return
    with picture:
        show_pictures(ch, epoch)
    with ui.probe("Move z, and see whose image lies where", key="space") as opened:
        if opened:
            with ui.guarded():
                show_table_probe(run, epoch)
    with ui.probe("Probe the model: refine one image's posterior", key="probe") as opened:
        if opened:
            with ui.guarded():
                show_probe(run)
    show_course(ch, epoch)
    with ui.guarded():
        ui.show_section(story.both_models(run, tables, epoch))
    show_evaluation(ch, tables)
    with ui.guarded():
        ui.show_how(story.how(run))


with ui.guarded():
    main()
ui.end_contents()
