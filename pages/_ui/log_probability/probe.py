"""The probe of the log-probability chapter: an image picked or drawn, measured while the reader waits."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.chapters.log_probability.story import config_of, pictures
from core.data import DATASETS
from core.data.images import from_drawing
from core.families.log_probs import charts, findings
from core.families.vaes.findings import held_out_split
from core.runs.store import Run
from pages._ui.controls import links
from pages._ui.controls.draw import draw
from pages._ui.shell import states
from pages._ui.show import reading
from pages._ui.show.drawn import drawn
from pages._ui.show.grids import image_grid
from pages._ui.show.panels import chart


def show_probe(run: Run) -> None:
    """Let the reader pick or draw an image and measure it now, with its error bar."""
    if not run.has_weights():
        states.nothing_yet("No weights are kept yet", "They are written when training ends.")
        return
    left, right = st.columns([1, 2], gap="large")
    with left:
        way = links.control(st.segmented_control, "Image", ["Pick", "Draw"], default="Pick", key="from", required=True)
        image = _picked(run) if way == "Pick" else _drawn()
        names = ["VAE"] + (["IWAE"] if config_of(run).iwae_epochs and config_of(run).keep_plain else [])
        model = links.control(st.segmented_control, "Model", names, default="VAE", key="model", required=True)
        samples = links.control(st.select_slider, "Samples of z", [50, 200, 1000, 5000], value=1000, key="samples")
    if image is None:
        with right:
            states.nothing_yet("Nothing is drawn yet", "Draw a digit on the canvas; its value appears here.")
        return
    with right:
        _measure(run, image, str(model).lower(), int(samples))


def _picked(run: Run) -> NDArray[np.uint8] | None:
    source = pictures(run, "validation")
    place = links.control(st.number_input, "Validation image", 0, len(source) - 1, value=0, key="image")
    name = DATASETS[run.config.data].classes[int(source.labels[place])]
    image_grid(
        source.images[place][None, None],
        key="picked",
        alt=f"Validation image {place}, {name}",
        scale=5,
        caption=f"validation image {place:,}: {name}",
    )
    return source.images[place]


def _drawn() -> NDArray[np.uint8] | None:
    canvas = draw(key="drawing", label="Draw a digit to measure its log-probability")
    return None if canvas is None else from_drawing(canvas)


def _measure(run: Run, image: NDArray[np.uint8], name: str, samples: int) -> None:
    from core.chapters.log_probability.probe import read
    from core.chapters.log_probability.train import build, latent_model

    modules = reading.cached_model(run, None, build)
    config = config_of(run)
    begun = time.perf_counter()
    found = read(latent_model(modules[name], config), image, config, n_samples=samples)
    took = time.perf_counter() - begun
    mark = f" {findings.MARK}" if found.effective_samples < config.wanted else ""
    st.metric(
        "log p(x) of this image", findings.plain(f"{found.log_prob:,.2f} ± {found.standard_error:.2f} nats{mark}")
    )
    st.caption(
        f"{samples:,} samples in {1000 * took:,.0f} ms, worth {found.effective_samples:,.0f} independent ones. "
        + findings.plain(f"Reconstruction {found.reconstruction:.2f}, KL {found.kl:.2f}, ELBO {found.elbo:.2f} nats.")
        + (f" {findings.mark_sentence(config.wanted)}" if mark else "")
        + (" Measured on a black-and-white draw of the image." if config.binarise else "")
    )
    frame = pd.DataFrame(found.running, columns=["samples", "log_prob"])
    chart(
        drawn(charts.running, frame, log_prob=found.log_prob, error=found.standard_error),
        frame,
        key="running",
        alt=f"The estimate as samples come in, ending at {found.log_prob:.2f} nats",
    )
    stored = reading.table(run, f"images_{held_out_split(run)}")["log_prob"]
    below = 100 * float((stored < found.log_prob).mean())
    st.caption(f"More probable than {below:.0f} % of the {len(stored):,} {held_out_split(run)} images.")
