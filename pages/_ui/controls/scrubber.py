"""The epoch scrubber: one per page, in the URL, driving every panel."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.runs.store import Run
from pages._ui.controls import links
from pages._ui.controls.epoch_bar import epoch_bar
from pages._ui.show import reading

KEY = "epoch"


def epochs_of(run: Run) -> list[int]:
    """Return the epochs that a run recorded, rising."""
    history = reading.history(run)
    return sorted({int(epoch) for epoch in history["epoch"]})


def _step(epochs: Sequence[int], at: int, by: int) -> None:
    index = epochs.index(at) + by
    links.set_controls({KEY: epochs[min(max(index, 0), len(epochs) - 1)]})


def _arrow(place: DeltaGenerator, word: str, epochs: Sequence[int], at: int, by: int) -> None:
    icon = ":material/chevron_left:" if by < 0 else ":material/chevron_right:"
    label = f"{word.capitalize()} epoch"
    key = f"_epoch_{word}"
    disabled = at == epochs[0 if by < 0 else -1]
    place.button(label, key=key, icon=icon, help=label, on_click=_step, args=(epochs, at, by), disabled=disabled)


def epoch_scrubber(epochs: Sequence[int], *, grows: bool = False, film: bool = False) -> int:
    """Show the scrubber and return the chosen epoch; the last one unless the reader or the URL says otherwise.

    ``grows`` where epochs are still being added: the scrubber follows the last one until it is moved. With ``film`` it
    is the bar that plays and scrubs the page's films in the browser.
    """
    epochs = sorted(set(epochs))
    if not epochs:
        return 0
    if len(epochs) == 1:
        st.caption(f"Epoch {epochs[0]} is the only one recorded.")
        return epochs[0]
    if film:
        more = {"options": epochs, "value": epochs[-1], "key": KEY, "pin": not grows, "nearest": True}
        return int(links.control(epoch_bar, "Epoch", **more))
    with st.container(key="epoch-bar", horizontal=True, vertical_alignment="bottom", wrap=False, gap="small"):
        before = st.container(width="content")
        chosen = links.control(
            st.select_slider,
            "Epoch",
            options=epochs,
            value=epochs[-1],
            key=KEY,
            pin=not grows,  # a link to a run under way follows it too
            nearest=True,
            edition=str(epochs[-1]) if grows else "",
        )
        after = st.container(width="content")
    _arrow(before, "previous", epochs, chosen, -1)
    _arrow(after, "next", epochs, chosen, 1)
    return int(chosen)
