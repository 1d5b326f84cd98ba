"""The epoch scrubber: one per page, in the URL, driving every panel."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.runs.store import Run
from pages._ui.show import reading

KEY = "epoch"


def epochs_of(run: Run) -> list[int]:
    """Return the epochs that a run recorded, rising."""
    history = reading.history(run)
    return sorted({int(epoch) for epoch in history["epoch"]})


def _settle(epochs: Sequence[int]) -> None:
    """Make the remembered epoch one of ``epochs``: stay at the last if it was the last, else take the nearest."""
    before = st.session_state.get("_epochs")
    value = st.session_state.get(KEY)
    if value is not None and (before not in (None, list(epochs)) or value not in epochs):
        was_last = bool(before) and value == before[-1]
        st.session_state[KEY] = epochs[-1] if was_last else min(epochs, key=lambda one: abs(one - value))
    st.session_state["_epochs"] = list(epochs)


def _step(epochs: Sequence[int], by: int) -> None:
    at = st.session_state.get(KEY, epochs[-1])
    index = epochs.index(at) if at in epochs else len(epochs) - 1
    st.session_state[KEY] = epochs[min(max(index + by, 0), len(epochs) - 1)]


def _arrow(place: DeltaGenerator, word: str, epochs: Sequence[int], by: int, disabled: bool) -> None:
    icon = ":material/chevron_left:" if by < 0 else ":material/chevron_right:"
    label = f"{word.capitalize()} epoch"
    key = f"_epoch_{word}"
    place.button(label, key=key, icon=icon, help=label, on_click=_step, args=(epochs, by), disabled=disabled)


def epoch_scrubber(epochs: Sequence[int]) -> int:
    """Show the scrubber and return the chosen epoch; the last one unless the reader or the URL says otherwise."""
    epochs = sorted(set(epochs))
    if not epochs:
        return 0
    if len(epochs) == 1:
        st.caption(f"Epoch {epochs[0]} is the only one recorded.")
        return epochs[0]
    _settle(epochs)
    with st.container(key="epoch-bar", horizontal=True, vertical_alignment="bottom", wrap=False, gap="small"):
        before = st.container(width="content")
        chosen = st.select_slider("Epoch", options=epochs, value=epochs[-1], key=KEY, bind="query-params")
        after = st.container(width="content")
    _arrow(before, "previous", epochs, -1, chosen == epochs[0])
    _arrow(after, "next", epochs, 1, chosen == epochs[-1])
    return int(chosen) if chosen in epochs else epochs[-1]
