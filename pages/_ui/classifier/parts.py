"""The classifier's probe, and its held-out images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data import DATASETS, Split, held_out, load
from core.data.images import from_drawing
from core.errors import AtlasError
from core.families.classifiers import charts
from core.runs.store import Run
from core.words import as_text
from pages._ui import chapter as ui
from pages._ui.controls.draw import draw


def images_of(run: Run, split: str) -> Split | None:
    """Return the run's held-out images, or say in place why they are not here and what works without them."""
    try:
        return held_out(run.config.data) if split == "validation" else load(run.config.data, split)
    except AtlasError as error:
        with st.container():  # shown beside the mistakes and in the probe
            st.info(
                f"{as_text(error.remedy, code=True)}. "
                "The figures, the matrix and the lists below work without the images"
                + (", and so do the pictures of the validation images." if run.config.data == "mnist" else "."),
                title=f"The {split} images are not on this machine",
                icon=":material/image_not_supported:",
            )
        return None


@st.cache_data(max_entries=256, show_spinner="Asking the model")
def answers(digest: str, image: bytes, epochs: tuple[int, ...], _run: Run) -> pd.DataFrame:
    """Return the probability of each class after each epoch: ``epoch, label, probability``."""
    from core.families.classifiers.probe import answer

    return answer(_run, np.frombuffer(image, np.uint8).reshape(28, 28), epochs)


def probed_image(run: Run, tables: dict[str, pd.DataFrame], split: str) -> tuple[np.ndarray, str] | None:
    """Let the reader draw or pick an image; return it with what is known of it, or None where there is none yet."""
    ways = ["Draw", "Pick"]
    way = ui.control(st.segmented_control, "Image to read", ways, default=ways[0], key="from", required=True)
    if way == "Draw":
        drawing = draw(key="pad", label="Draw a digit: white ink on black")
        st.caption("Draw with the mouse, a pen or a finger. Ink is centred and scaled as MNIST's digits were.")
        return None if drawing is None else (from_drawing(drawing), "your drawing, as the network sees it")
    source = images_of(run, split)
    if source is None:
        return None
    mistakes = tables["mistakes"]["index"]
    first = int(mistakes.iloc[0]) if len(mistakes) else 0
    place = ui.control(
        st.number_input, f"Place among the {len(source):,} {split} images", 0, len(source) - 1, value=first, key="image"
    )
    label = DATASETS[run.config.data].classes[int(source.labels[place])]
    return source.images[place], f"{split} image {place:,}: {label}"


def show_probe(run: Run, tables: dict[str, pd.DataFrame], epochs: Sequence[int], epoch: int, split: str) -> None:
    """Let the reader ask the model, at the epoch shown, for its reading of a drawing or of a held-out image."""
    classes = DATASETS[run.config.data].classes
    left, middle, right = st.columns([3, 3, 4], gap="medium")
    with left:
        probed = probed_image(run, tables, split)
        if probed is None:
            return
        image, known = probed
        ui.image_grid(image[None, None], key="probed", alt=known, scale=4, caption=known)
    said = answers(run.digest, image.tobytes(), tuple(epochs), run)
    now = said[said["epoch"] == epoch]
    best = now.loc[now["probability"].idxmax()]
    with middle:
        st.markdown(f"**{classes[int(best['label'])]}**, {best['probability']:.1%} sure after epoch {epoch}")
        ui.chart(
            ui.drawn(charts.probabilities, now, classes),
            now,
            key="probabilities",
            alt=f"Probability of each class; the largest is {classes[int(best['label'])]}",
        )
    with right:
        st.markdown("**How the answer formed over the epochs**")
        ui.chart(
            ui.drawn(charts.answer_over_epochs, said, classes, epoch=epoch),
            said,
            key="answers",
            alt="Probability of each class after each kept epoch",
        )
