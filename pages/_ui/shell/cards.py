"""The cards of the home page: a chapter's picture and headline figure, read from its shipped run."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.charts.curves import curves, long_form
from core.data import DATASETS
from core.errors import AtlasError
from core.registry import Experiment
from core.runs.grids import GAP, stack
from core.runs.store import Run
from core.words import as_text
from pages._ui.controls import picker
from pages._ui.shell import navigation as atlas
from pages._ui.show import grids, reading
from pages._ui.show.unchecked import unchecked

HEIGHT = 168
WIDTH = 300  # pixels that a card's picture may take: the narrowest card is about so wide
PREFERRED = ("samples", "reconstructions")
MEASURES = (
    ({"train_accuracy": "training", "validation_accuracy": "validation"}, "accuracy"),
    ({"train_loss": "training", "validation_loss": "validation"}, "loss"),
)
WINDOW = """<div style="height:{height}px;border-radius:6px;background:#000;display:flex;justify-content:center;\
align-items:center"><img alt="{alt}" src="{source}" style="width:{width}px;max-width:100%;\
image-rendering:pixelated"></div>"""


def picture_kind(run: Run) -> str | None:
    """Return the kind of grid that stands for a run, or None if it has none."""
    kinds = [folder.name for folder in sorted(run.path.iterdir()) if folder.is_dir() and any(folder.glob("*.png"))]
    found = [kind for kind in PREFERRED if kind in kinds] + [kind for kind in kinds if kind not in PREFERRED]
    return next((kind for kind in found if run.sample_epochs(kind)), None)


def whole(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a composed picture so that all of it fits a card: a strip of one row becomes two halves."""
    height, width = picture.shape[:2]
    cell = height + GAP
    across = (width + GAP) // cell
    if across * cell - GAP != width or across < 6:  # no strip of square images
        return picture
    half = -(-across // 2)
    below = picture[:, half * cell :]
    empty = np.zeros((height, half * cell - GAP - below.shape[1], *picture.shape[2:]), np.uint8)
    return stack([picture[:, : half * cell - GAP], np.concatenate([below, empty], axis=1)])


@st.cache_data(max_entries=32, show_spinner=False)
def _window(digest: str, alt: str, _run: Run) -> str | None:
    kind = picture_kind(_run)
    if kind is None:
        return None
    picture = whole(np.asarray(reading.sample(_run, _run.sample_epochs(kind)[-1], kind)))
    height, width = picture.shape[:2]
    scale = max(1, min(WIDTH // width, HEIGHT // height))
    source = grids.data_url(grids.to_image(picture))
    return WINDOW.format(height=HEIGHT, alt=html.escape(alt, quote=True), source=source, width=width * scale)


def headline_of(about: Experiment, run: Run) -> tuple[str, str] | None:
    """Return the label and text of the run's headline figure, or None if it was not measured.

    A run on data without test images has the same measure on its validation images.
    """
    split = DATASETS[run.config.data].held_out_split if run.config.data in DATASETS else "test"
    value = run.metrics.get(about.headline.replace("test_", f"{split}_"))
    if value is None:
        return None
    label = about.headline_label.replace("test", split)
    return label, format(value, about.headline_format).replace("-", "−")


def _picture(about: Experiment, run: Run) -> None:
    window = _window(run.digest, f"{about.title}: images that the run {run.name} ends with", run)
    if window is not None:
        st.html(window)
        return
    history = reading.history(run)
    for series, title in MEASURES:
        frame = long_form(history, series)
        if frame["epoch"].nunique() > 1:
            chart = curves(frame, title_y=title, height=HEIGHT)
            st.altair_chart(unchecked(chart), width="stretch", height=HEIGHT, alt=f"{about.title}: {title} per epoch")
            return
    st.space(HEIGHT)


def card(about: Experiment, runs: Sequence[Run]) -> None:
    """Show a chapter: picture, title, question and headline figure of the run its page opens with."""
    with st.container(border=True, height="stretch", gap="small", key=f"card-{about.name}"):
        run = picker.default_run(runs) if runs else None
        if run is not None:
            try:
                _picture(about, run)
            except AtlasError as error:
                st.caption(as_text(error, code=True))
        with st.container(gap="xxsmall"):
            st.caption(about.group)
            st.page_link(atlas.page_of(about.name), label=f"**{about.title}**", icon=about.icon)
        st.markdown(about.question)
        st.space("stretch")
        figure = None if run is None else headline_of(about, run)
        if run is None:
            st.caption("No run yet: open it and press Train.")
        elif figure is not None:
            origin = "shipped run" if run.shipped else "your run"
            st.metric(f"{figure[0]} · {origin} {run.name}", figure[1])
            st.caption(" ".join(part for part in (about.in_words, _seeds(run), _report(about)) if part))


def _seeds(run: Run) -> str:
    trials = int(getattr(run.config, "trials", 1))
    return f"Mean of {trials} seeds." if trials > 1 else ""


def _report(about: Experiment) -> str:
    return f"The course report: {about.report}." if about.report else ""
