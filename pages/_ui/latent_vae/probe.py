"""The probe of per-image latents: one image's posterior, refined while the reader waits."""

from __future__ import annotations

import streamlit as st

from core.chapters.latent_vae import story
from core.data import DATASETS, held_out
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.show.drawn import drawn_as


def show_probe(run: Run) -> None:
    """Let the reader refine the encoder's posterior of one image and see the bound rise."""
    from core.chapters.latent_vae.probe import refine_one
    from core.chapters.latent_vae.train import build

    if not run.has_weights():
        ui.nothing_yet("No weights are kept yet", "They are written when training ends.")
        return
    modules = ui.cached_model(run, None, build)
    source = held_out(run.config.data)
    left, right = st.columns([1, 2], gap="large")
    with left:
        place = ui.control(st.number_input, "Validation image", 0, len(source) - 1, value=0, key="image")
        steps = ui.control(st.select_slider, "Steps of refining", [50, 100, 200, 400], value=200, key="steps")
    found = refine_one(modules, source.images[place], story.config_of(run), steps=int(steps))
    with left:
        ui.image_grid(
            found.pictures[None],
            key="refined",
            alt=f"Validation image {place}, decoded from the encoder's mean and from the refined one",
            scale=3,
            column_labels=["image", "encoder", "refined"],
            caption=f"validation image {place:,}: {DATASETS[run.config.data].classes[int(source.labels[place])]}",
        )
    with right:
        gained, bounds = story.refined(found.encoder, found.refined, found.log_prob, found.standard_error)
        st.metric(gained.label, gained.text(gained.value))
        st.caption(bounds)
        chart = story.bound_course(found.course, found.log_prob)
        ui.chart(drawn_as(chart), chart.frame, key="course", alt=chart.alt)
