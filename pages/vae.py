"""Variational autoencoder: what it draws, what it keeps of an image, whether it overfits, what its latents mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from core.chapters.vae import story
from core.chapters.vae.story import EXPLAINED, Curves
from core.runs.grids import stack
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.vaes.pictures import WORDS, reconstructions
from pages._ui.vaes.probe import listed, show_probe


def show_film(run: Run, epoch: int) -> None:
    """Show the ten fixed draws and the reconstructions of validation images as one film over the epochs."""
    draws = ui.strip(run, story.SAMPLES)
    tracks = [] if draws is None else [ui.Track([draws], "Ten decoded draws", "Ten draws of z from N(0, I), decoded")]
    pairs = reconstructions(run, "validation")
    with ui.panel(
        "What the decoder draws, epoch by epoch",
        help="The ten z are the same at every epoch: each column is one z, and only the decoder changes. "
        + EXPLAINED["validation"],
    ):
        ui.film([*tracks, *([] if pairs is None else [pairs])], key="samples", epoch=epoch)


def show_strip(run: Run, epoch: int) -> None:
    """Show the same draws after epochs 1, 5, 10, 20 and 30, or as far as the run has come."""
    shown = story.strip_epochs(run)
    if not shown:
        return
    ui.heading("The same draws over the epochs", "draws")
    title = f"The same draws after epochs {listed(shown)}"
    with ui.guarded(), ui.panel(title, help="Rows are epochs; the scrubber shows any other one."):
        rows = stack([np.asarray(ui.sample(run, one, story.SAMPLES)) for one in shown])
        ui.image_grid(
            rows,
            key="strip",
            alt=f"The ten draws decoded after epochs {listed(shown)}",
            halves=True,
            row_labels=[f"▸{one}" if one == epoch else one for one in shown],
        )


def show_reconstructions(run: Run, epoch: int, split: str) -> None:
    """Show a film of the reconstructions of a split."""
    with ui.guarded():
        track = reconstructions(run, split)
        if track is None:
            return
        with ui.panel(f"{track.title}, epoch by epoch", help=EXPLAINED[split]):
            ui.film([replace(track, title="")], key=f"reconstructions-{split}", epoch=epoch)
            if len(track.strips) == 1:
                st.caption(
                    f":material/image_not_supported: The {WORDS[split]} images are not on this machine; "
                    "get the data set on the home page to see them beside."
                )


def drawing(ch: ui.Chapter) -> Curves:
    """Return how the reader wants the curves."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic axes", key="log")
        smoothing = ui.control(st.slider, "Smoothing of curves", 0.0, 0.9, step=0.1, value=0.0, key="smoothing")
        return Curves(log, smoothing, ui.overlay_runs(ch))


def show_evaluation(run: Run, epoch: int) -> None:
    """Show what is known of the weights of the kept epoch nearest to ``epoch``, and the verdict."""
    tables = story.read(run)
    carried = story.latents(run, epoch, tables)
    if carried is not None:
        ui.show_section(carried)
    if not tables:
        ui.not_evaluated(run, "The verdict, the latent map and the tables")
        return
    kept = story.nearest_kept(tables, epoch)
    ui.show_section(story.measures(run, tables, kept))
    ui.show_verdict(story.verdict(run, tables, kept))


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("vae")
    run = ch.run
    picture = st.container()
    epoch = ui.epoch_scrubber(ch, film=True)
    ui.show_figures(story.figures(run))
    if not epoch:
        ui.no_epoch(run)
        return
    with picture, ui.guarded():
        show_film(run, epoch)
    show_strip(run, epoch)
    show_reconstructions(run, epoch, "train")
    with ui.guarded():
        ui.show_section(story.course(run, epoch, drawing(ch)), across=3)
    with ui.guarded():
        show_evaluation(run, epoch)
    ui.show_references(story.references(run))
    with ui.probe("Probe the model", key="probe") as opened:
        if opened:
            with ui.guarded():
                show_probe(run, epoch)
    ui.show_how(story.how(run))


with ui.guarded():
    main()
ui.end_contents()
