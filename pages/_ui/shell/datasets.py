"""Data availability: what is on this machine, what the rest costs, and a button that gets it."""

from __future__ import annotations

import streamlit as st

from core import settings
from core.data import DATASETS, DatasetInfo, availability
from core.data.fetching import Fetch, current, fetch
from core.errors import DataError
from core.words import megabytes
from pages._ui.shell import states

POLL_S = 0.5
REFUSED = "_data_refused"


def data_sets() -> None:
    """Show one card per data set."""
    with st.grid(3, min_column_width=260, key="data-sets"):
        for info in DATASETS.values():
            with st.container(border=True, height="stretch", gap="small", key=f"data-{info.name}"):
                _card(info)


def _card(info: DatasetInfo) -> None:
    found = availability(info.name)
    st.markdown(f"**{info.title}** `{info.name}`")
    st.caption(", ".join(f"{size:,} {split}" for split, size in info.sizes.items()))
    if found.ready:
        st.badge(found.message, icon=":material/check:", color="green")
        return
    st.badge(found.message, icon=":material/cloud_download:", color="orange")
    st.caption("The shipped runs show without it. Training on it, and pages that show real images of it, need it.")
    if settings.read_only():
        st.caption("Downloads are switched off in this deployment.")
        return
    if info.bundled:
        return
    running = current(info.name)
    if running is not None and running.running:
        st.fragment(_until_here, run_every=POLL_S)(info.name)
        st.button("Stop", key=f"_stop_{info.name}", icon=":material/stop:", on_click=running.stop)
        return
    error = st.session_state.pop(REFUSED, None) or (running.error if running is not None else None)
    if error is not None:
        states.problem(error)
    label = f"Download {megabytes(found.bytes_to_download)}"
    st.button(label, key=f"_get_{info.name}", icon=":material/download:", on_click=_start, args=(info.name,))
    st.caption(f"or `python -m core data {info.name}`")


def _start(name: str) -> None:
    try:
        fetch(name)
    except DataError as error:
        st.session_state[REFUSED] = error


def _until_here(name: str) -> None:
    running = current(name)
    if running is None or not running.running:
        st.rerun()
    progress(running)


def progress(running: Fetch) -> None:
    """Show how far a download is."""
    text = f"{megabytes(running.done)} of {megabytes(running.total)}" if running.total else "reaching the server"
    st.progress(min(running.done / max(running.total, 1), 1.0), text=text)
