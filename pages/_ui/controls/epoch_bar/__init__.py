"""The epoch scrubber of a chapter that has a film: plays and scrubs in the browser, tells Python where it rests.

Films on the page (:mod:`pages._ui.show.film`) follow it in the browser while it moves; Python hears of it, in one
message, when it has come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages._ui.controls import links
from pages._ui.show import transport

_HERE = Path(__file__).parent

_bar = st.components.v2.component(
    "epoch_atlas.epoch_bar",
    html=f'<div class="holder">{transport.html("epoch")}</div>',
    css=transport.CSS + (_HERE / "bar.css").read_text(encoding="utf-8"),
    js=transport.JS + (_HERE / "bar.js").read_text(encoding="utf-8"),
)


def epoch_bar(label: str, *, options: Sequence[int], value: int, key: str) -> int:
    """Show the bar and return its epoch; for :func:`pages._ui.controls.links.control`, which keeps the epoch.

    Parameters
    ----------
    label
        Not shown: the bar names what it moves.
    options
        The epochs, rising, two or more.
    value
        The epoch of a bar that nobody has touched.
    key
        Where ``st.session_state`` holds the epoch that the page shows now. The bar goes there, unless the reader has
        moved it meanwhile.
    """
    state = f"film-{key}"

    def heard() -> None:  # runs before the script does
        epoch, _ = rest_of(st.session_state.get(state), options)
        if epoch is not None:
            links.set_controls({links.name_of(key): epoch})

    epoch = int(st.session_state.get(key, value))
    _, said = rest_of(st.session_state.get(state), options)
    data = {
        "epochs": list(options),
        "at": epoch,
        "heard": said,
        "speeds": list(transport.SPEEDS),
        "speed": transport.speed_for(len(options)),
    }
    with st.container(key="epoch-bar"):
        _bar(key=state, data=data, on_rest_change=heard)
    return epoch


def rest_of(state: object, epochs: Sequence[int]) -> tuple[int | None, int]:
    """Return where the bar says it rests (None where that is no epoch of these), and how often it has spoken."""
    rest: Any = state.get("rest") if isinstance(state, Mapping) else None
    if not isinstance(rest, Mapping):
        return None, 0
    epoch, said = rest.get("epoch"), rest.get("said")
    return (
        epoch if type(epoch) is int and epoch in epochs else None,
        said if type(said) is int and 0 <= said < 1 << 31 else 0,
    )
