"""The cards of the home page: a chapter's picture and headline figure, read from its shipped run."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from core.charts.curves import curves, long_form
from core.data import DATASETS
from core.errors import AtlasError
from core.registry import Experiment
from core.runs.store import Run
from core.words import as_text
from pages._ui.controls import picker
from pages._ui.shell import navigation as atlas
from pages._ui.show import grids, reading
from pages._ui.show.unchecked import unchecked

HEIGHT = 168
PREFERRED = ("samples", "reconstructions")
MEASURES = (
    ({"train_accuracy": "training", "validation_accuracy": "validation"}, "accuracy"),
    ({"train_loss": "training", "validation_loss": "validation"}, "loss"),
)
WINDOW = """<div style="height:{height}px;overflow:hidden;border-radius:6px;background:#000;display:flex;\
justify-content:center;align-items:center"><img alt="{alt}" src="{source}" style="width:{width}px;max-width:none;\
flex:none;image-rendering:pixelated"></div>"""


def picture_kind(run: Run) -> str | None:
    """Return the kind of grid that stands for a run, or None if it has none."""
    kinds = [folder.name for folder in sorted(run.path.iterdir()) if folder.is_dir() and any(folder.glob("*.png"))]
    found = [kind for kind in PREFERRED if kind in kinds] + [kind for kind in kinds if kind not in PREFERRED]
    return next((kind for kind in found if run.sample_epochs(kind)), None)


@st.cache_data(max_entries=32, show_spinner=False)
def _window(digest: str, alt: str, _run: Run) -> str | None:
    kind = picture_kind(_run)
    if kind is None:
        return None
    image = reading.sample(_run, _run.sample_epochs(kind)[-1], kind)
    scale = 2 if image.height < 2 * HEIGHT else 1
    source = grids.data_url(image)
    return WINDOW.format(height=HEIGHT, alt=html.escape(alt, quote=True), source=source, width=image.width * scale)


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
