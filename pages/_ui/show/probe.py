"""The probe: closed until the reader opens it, because opening loads weights; and the notes below it."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import pandas as pd
import streamlit as st

from core.story import Try
from pages._ui.controls import links
from pages._ui.show.contents import heading


class Probe:
    """An expander that is true while it is open and holds what is written ``with`` it."""

    def __init__(self, box: Any) -> None:
        self._box = box

    def __bool__(self) -> bool:
        return bool(self._box.open)

    def __enter__(self) -> Self:
        self._box.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        return self._box.__exit__(kind, error, trace)


def probe(title: str = "Probe the model", *, key: str = "probe") -> Probe:
    """Return a closed section that loads nothing until it is opened.

    Examples
    --------
    >>> with ui.probe("Probe the model", key="probe") as opened:  # doctest: +SKIP
    ...     if opened:
    ...         modules = ui.cached_model(ch.run, None, build)
    """
    return Probe(links.section(title, key=key, icon=":material/experiment:"))


def tries(items: Sequence[Try]) -> None:
    """Show things to try; a click sets the controls."""
    for number, item in enumerate(items):
        if item.controls:
            st.button(
                item.text,
                key=f"_try_{number}",
                type="tertiary",
                icon=":material/arrow_forward:",
                on_click=links.set_controls,
                args=(dict(item.controls),),
                wrap=True,
            )
        else:
            st.markdown(f":material/arrow_forward: {item.text}")


def how_it_works(
    *,
    formula: str,
    text: str,
    architecture: pd.DataFrame | None = None,
    source: Sequence[tuple[str, str]] = (),
    tries: Sequence[Try] = (),
) -> None:
    """Show the formula, what it means, the architecture, the sources and three things to try."""
    heading("How it works", "how-it-works")
    with st.container(border=True, key="how-it-works"):
        st.latex(formula)
        st.markdown(text)
        if architecture is not None:
            st.dataframe(architecture, hide_index=True, alt="The network, layer by layer")
        if source:
            st.caption("Sources: " + " · ".join(f"[{label}]({url})" for label, url in source))
        if tries:
            with st.container(gap="xxsmall"):
                st.markdown("**Try this**")
                _show_tries(tries)


_show_tries = tries
