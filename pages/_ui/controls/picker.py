"""The run picker and the provenance line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from core.data import DATASETS
from core.errors import RunError
from core.jobs import queue
from core.registry import EXPERIMENTS
from core.runs.store import Run
from core.words import as_text, count, duration, when
from pages._ui.controls import links


def data_title(run: Run) -> str:
    """Return the title of the run's data with the number of training images."""
    name = run.record.data.name
    title = DATASETS[name].title if name in DATASETS else as_text(name)
    train = run.record.data.splits.get("train")
    return f"{title} ({train.size:,} for training)" if train else title


def label(run: Run) -> str:
    """Return the run's line in the picker."""
    if run.shipped:
        return f"Shipped: {run.name}"
    try:  # a run whose process is gone says "running" for ever
        status = queue.state(run).status if run.status in ("queued", "running") else run.status
    except RunError:
        status = run.status
    return f"Yours: {run.name} · {status}"


def provenance(run: Run) -> str:
    """Return where the shown results come from: origin, data, epochs, seed, device, duration."""
    parts = [
        "Pretrained, ships with the app" if run.shipped else f"Your run of {when(run.record.created)}",
        data_title(run),
        count(run.epochs_done, "epoch"),
        f"seed {run.record.seed}",
        as_text(run.record.device),
        duration(run.record.elapsed_s) if run.record.elapsed_s else "",
    ]
    return " · ".join(part for part in parts if part)


def default_run(runs: Sequence[Run]) -> Run:
    """Return the run that a page opens with.

    The first shipped one, of the experiment's default data if there is such a one; else the reader's latest finished.
    """
    usual = EXPERIMENTS[runs[0].experiment].config.option("data").default
    shipped = [run for run in runs if run.shipped]
    ordered = sorted(shipped, key=lambda run: run.config.data != usual)
    return next(iter(ordered), next((run for run in runs if run.status == "finished"), runs[0]))


def pick_run(runs: Sequence[Run], absent: Mapping[str, str]) -> Run:
    """Show the picker over ``runs`` (not empty) with provenance and deep link; return the chosen run.

    ``absent`` says of other runs, by id, why they cannot be shown.
    """
    by_id = {run.id: run for run in runs}
    with st.container(horizontal=True, vertical_alignment="bottom", key="picker"):
        chosen = links.control(
            st.selectbox,
            "Run",
            list(by_id),
            index=list(by_id).index(default_run(runs).id),
            format_func=lambda one: label(by_id[one]) if one in by_id else str(one),
            key="run",
            width=420,
            pin=True,
            why=lambda one: absent.get(one, "there is no such run of this chapter on this machine"),
        )
        links.copy_link()
    run = by_id[str(chosen)]
    st.caption(provenance(run))
    return run


def overlay_runs(runs: Sequence[Run], shown: Run) -> list[Run]:
    """Let the reader pick further runs of the experiment to draw into the curves; return them."""
    others = {run.id.split("/", 2)[0] + "/" + run.name: run for run in runs if run.id != shown.id}
    if not others:
        links.unavailable("with", "Further runs", "there is no other run of this chapter here")
        return []
    picked = links.control(
        st.multiselect, "Draw further runs into the curves", list(others), key="with", max_selections=4
    )
    return [others[one] for one in picked]
