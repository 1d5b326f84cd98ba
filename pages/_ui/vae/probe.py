"""The VAE chapter's probe: new draws, walks through the latent space, paths between images. Loads weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data import DATASETS, Split, held_out, load
from core.errors import AtlasError
from core.families.vaes import findings
from core.runs.store import Run
from pages._ui.controls import links
from pages._ui.shell import states
from pages._ui.show import reading
from pages._ui.show.grids import image_grid

MOST_ROWS = 24  # dimensions in one traversal picture


def listed(items: Sequence[object]) -> str:
    """Return ``1``, ``1 and 5``, ``1, 5 and 10``."""
    words = [str(one) for one in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def images_of(run: Run, split: str) -> Split:
    """Return a run's images; DataError saying how to get them if they are not here."""
    return held_out(run.config.data) if split == "validation" else load(run.config.data, split)


def snapshot_of(run: Run, epoch: int) -> int | None:
    """Return the kept epoch nearest to ``epoch``; the last one has its own weights in full precision."""
    last = run.epochs_done
    kept = [*run.snapshots(), *([last] if run.has_weights() else [])]
    return min(kept, key=lambda one: (abs(one - epoch), -one)) if kept else None


def show_probe(run: Run, epoch: int) -> None:
    """Let the reader draw new images, walk through the latent space and interpolate, at the epoch shown."""
    at = snapshot_of(run, epoch)
    if at is None:
        states.nothing_yet(
            "No weights are kept yet", "They are written after the first epoch that is kept, and at the end."
        )
        return
    from core.families.vaes.task import MODEL, build

    vae = reading.cached_model(run, None if at == run.epochs_done else at, build)[MODEL]
    ways = {"Draw": probe_draws, "Traverse": probe_traversal, "Plane": probe_plane, "Between": probe_path}
    way = links.control(st.segmented_control, "What to do", list(ways), default="Draw", key="way", required=True)
    near = "" if at == epoch else f", the kept one nearest to {epoch}"
    st.caption(f"Weights of epoch {at}{near}. The scrubber changes them.")
    ways[way](run, vae, epoch)


def probe_draws(run: Run, vae: Any, epoch: int) -> None:
    """New draws of N(0, spread² I)."""
    from core.families.vaes.probe import new_draws

    left, right = st.columns([1, 3], gap="medium")
    with left:
        seed = links.control(st.number_input, "Seed of the draws", 0, 99_999, value=1, key="draw")
        spread = links.control(st.slider, "Spread of z", 0.0, 2.0, value=1.0, step=0.1, key="spread")
        st.caption("At spread 1 z follows the prior. Below it images grow typical, above it they come apart.")
    with right:
        image_grid(
            new_draws(vae, seed, spread=spread), key="new-draws", alt=f"40 images drawn with seed {seed}", scale=2
        )


def start_image(run: Run, vae: Any, key: str = "image", label: str = "Start at validation image") -> Any:
    """Let the reader pick a validation image; return its place, picture and encoded mean, or None without data."""
    from core.families.vaes.probe import encoded_mean

    try:
        source = images_of(run, "validation")
    except AtlasError as error:
        states.problem(error)
        return None
    second = key == "to"
    default = (len(source) - 1) if second else 0
    place = links.control(st.number_input, label, 0, len(source) - 1, value=default, key=key)
    name = DATASETS[run.config.data].classes[int(source.labels[place])]
    image_grid(
        source.images[place][None, None],
        key=f"start-{key}",
        alt=f"Validation image {place}, {name}",
        scale=3,
        caption=f"Validation image {place:,}, class {name}",
    )
    return place, source.images[place], encoded_mean(vae, source.images[place], run.config)


def probe_traversal(run: Run, vae: Any, epoch: int) -> None:
    """One dimension after the other moved through its range, everything else as in one image."""
    from core.families.vaes.probe import traversal

    order = findings.kl_at(reading.history(run), epoch)
    dimensions = [int(one) for one in order["dimension"]] or list(range(run.config.latent_dim))
    left, right = st.columns([1, 3], gap="medium")
    with left:
        chosen = links.control(st.selectbox, "Dimension", ["all", *map(str, dimensions)], key="dimension")
        reach = links.control(st.slider, "Range: from −r to +r", 0.5, 5.0, value=3.0, step=0.5, key="reach")
        start = start_image(run, vae)
    if start is None:
        return
    rows = dimensions[:MOST_ROWS] if chosen == "all" else [int(chosen)]
    with right:
        image_grid(
            traversal(vae, start[2], rows, reach),
            key="traversal",
            alt=f"Images while dimension {listed(rows)} moves from {-reach:g} to {reach:g}",
            scale=2 if chosen == "all" else 3,
            row_labels=rows,
            column_labels=[f"−{reach:g}", "", "", "", "0", "", "", "", f"{reach:g}"],
            caption="Rows: dimensions, the one with the most KL first. Columns: its value.",
        )


def probe_plane(run: Run, vae: Any, epoch: int) -> None:
    """Two dimensions of z span a square of images."""
    from core.families.vaes.probe import plane

    order = findings.kl_at(reading.history(run), epoch)
    dimensions = [str(one) for one in order["dimension"]] or [str(one) for one in range(run.config.latent_dim)]
    left, right = st.columns([1, 3], gap="medium")
    with left:
        across = links.control(st.selectbox, "Dimension across", dimensions, key="across")
        down = links.control(st.selectbox, "Dimension up", dimensions, index=min(1, len(dimensions) - 1), key="up")
        reach = links.control(st.slider, "Range: from −r to +r", 0.5, 5.0, value=3.0, step=0.5, key="reach")
        start = start_image(run, vae, label="Other dimensions as in validation image")
    if start is None:
        return
    with right:
        image_grid(
            plane(vae, start[2], int(across), int(down), reach),
            key="plane",
            alt=f"A square of images over dimensions {across} and {down}",
            scale=2,
            caption=f"Dimension {across} grows to the right, {down} upwards, both from −{reach:g} to {reach:g}.",
        )


def probe_path(run: Run, vae: Any, epoch: int) -> None:
    """The straight line in latent space between two images."""
    from core.families.vaes.probe import path

    left, right = st.columns([1, 3], gap="medium")
    with left:
        first = start_image(run, vae, "image", "From validation image")
        last = start_image(run, vae, "to", "To validation image") if first else None
    if first is None or last is None:
        return
    with right:
        image_grid(
            path(vae, first[2], last[2]),
            key="path",
            alt=f"Images on the way from validation image {first[0]} to {last[0]}",
            scale=3,
            caption="Equal steps on the straight line between the two encoded means; the ends are reconstructions.",
        )
