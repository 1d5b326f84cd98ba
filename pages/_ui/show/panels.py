"""Panels and what stands in them: figures, charts, tables, verdict, columns; each with its download."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import altair as alt_module
import pandas as pd
import streamlit as st

from core.story import Figure
from pages._ui.show import downloads
from pages._ui.show.contents import heading
from pages._ui.show.drawn import Drawn
from pages._ui.show.unchecked import unchecked


def headline(figures: Sequence[Figure]) -> None:
    """Show two to four figures side by side, each with its small print."""
    with st.grid(len(figures), min_column_width=190, key="headline"):
        for figure in figures:
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.metric(figure.label, figure.text(figure.value), help=figure.help)
                if figure.small_print:
                    st.caption(figure.small_print)


@contextmanager
def panel(title: str, help: str | None = None) -> Iterator[None]:
    """Frame one result: a title that states what is seen, its downloads, the result, one line of reading help."""
    with st.container(border=True, height="stretch", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
            st.markdown(f"**{title}**", width="stretch")
            place = st.container(horizontal=True, width="content", gap="small")
        with downloads.slot(place):
            yield
        if help:
            st.caption(help)


def columns(n: int = 2) -> list[Any]:
    """Return ``n`` columns that fold to one on a narrow screen."""
    return list(st.columns(n, gap="small"))


def chart(
    chart: alt_module.TopLevelMixin | Drawn,
    frame: pd.DataFrame,
    *,
    key: str,
    alt: str,
    on_select: str | Callable[..., None] = "ignore",
    selection_mode: str | None = None,
    height: int | None = None,
) -> Any:
    """Show an Altair chart over the full width, with its data as CSV (PNG is in the chart's own toolbar).

    A chart made by :func:`pages._ui.show.drawn.drawn` is not built anew when nothing has changed.
    Returns what ``st.altair_chart`` returns: the selection, if ``on_select`` is given.
    """
    if frame.empty:
        st.caption("This run recorded nothing for this chart.")
        return None
    more: dict[str, Any] = {"height": height} if height else {}
    if on_select != "ignore":
        more |= {"on_select": on_select, "selection_mode": selection_mode}
    if isinstance(chart, Drawn):
        event = st.vega_lite_chart(dict(chart.spec), width="stretch", key=key, alt=alt, **more)
    else:
        event = st.altair_chart(unchecked(chart), width="stretch", key=key, alt=alt, **more)
    downloads.csv(frame, key)
    return event


def table(
    frame: pd.DataFrame | Any,
    *,
    key: str,
    alt: str,
    column_config: Mapping[str, Any] | None = None,
    on_select: str | Callable[..., None] | None = None,
    selection_mode: str | Sequence[str] = "single-row",
    hide_index: bool = True,
    height: int | str = "auto",
) -> Any:
    """Show a sortable table (a DataFrame or a Styler) with its CSV; returns the selection if asked for."""
    more: dict[str, Any] = {} if on_select is None else {"on_select": on_select, "selection_mode": selection_mode}
    event = st.dataframe(
        frame,
        key=key,
        alt=alt,
        column_config=column_config,
        hide_index=hide_index,
        width="stretch",
        height=height,
        **more,
    )
    downloads.csv(getattr(frame, "data", frame), key)
    return event


def verdict(answer: Sequence[str], more: Sequence[str] = ()) -> None:
    """Say in two or three sentences, computed from the figures, what they mean; further ones on demand."""
    heading("What the numbers say", "verdict")
    with st.container(border=True, key="verdict"):
        st.markdown(" ".join(answer))
        if more:
            with st.expander("The figures behind it"):
                for sentence in more:
                    st.markdown(sentence)
