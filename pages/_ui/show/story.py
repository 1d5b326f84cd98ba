"""The renderer of stories: what ``core.story`` describes, shown with Streamlit. Knows no chapter."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.errors import AtlasError
from core.story import Chart, Figure, Film, Gallery, Grid, How, Note, Panel, Reference, Section, Table, Verdict
from pages._ui.shell import states
from pages._ui.shell.glossary import term
from pages._ui.show import panels, probe, references
from pages._ui.show.contents import heading
from pages._ui.show.drawn import drawn_as
from pages._ui.show.film import Track, film, still, strip
from pages._ui.show.gallery import gallery
from pages._ui.show.grids import image_grid

TERM = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")
Listener = Callable[..., None]


def linked(text: str) -> str:
    """Return a story's text as Markdown: ``[[held out]]`` and ``[[latent|latents]]`` lead to the glossary."""
    return TERM.sub(lambda found: term(found.group(1), found.group(2)), text)


def show_figures(figures: Sequence[Figure]) -> None:
    """Show the headline row; nothing where there are no figures."""
    if not figures:
        return
    panels.headline(figures)


def show_panel(panel: Panel, on_select: Listener | None = None, selection: str | None = None) -> None:
    """Show one panel; an unreadable file shows as its error inside, and the rest of the page lives.

    Parameters
    ----------
    panel
        What is shown; its key is the element's key and the name of its download.
    on_select, selection
        A callback for clicks on a chart (``selection`` names its selection) or on a table's rows.
    """
    with panels.panel(panel.title, help=linked(panel.help) or None):
        try:
            _show_body(panel, on_select, selection)
        except AtlasError as error:
            states.problem(error)


def _show_body(panel: Panel, on_select: Listener | None, selection: str | None) -> None:
    body = panel.body
    listening: dict[str, Any] = {"on_select": on_select} if on_select is not None else {}
    if isinstance(body, Chart) and body.frame.empty:
        st.caption("This run recorded nothing for this chart.")
    elif isinstance(body, Chart):
        if selection is not None:
            listening["selection_mode"] = selection
        panels.chart(drawn_as(body), body.frame, key=panel.key, alt=body.alt, **listening)
    elif isinstance(body, Table):
        _show_table(panel.key, body, listening)
    elif isinstance(body, Grid):
        image_grid(
            body.picture(),
            key=panel.key,
            alt=body.alt,
            scale=body.scale,
            row_labels=body.row_labels or None,
            column_labels=body.column_labels or None,
        )
    elif isinstance(body, Gallery):
        gallery(body.images(), body.texts, key=panel.key, alt=body.alt, scale=body.scale)
    elif isinstance(body, Film):
        _show_film(panel.key, body)
    elif isinstance(body, Note):
        states.nothing_yet(body.text, body.what_to_do)


def _show_table(key: str, table: Table, listening: dict[str, Any]) -> None:
    shown = table.frame[list(table.columns)].rename(columns={name: c.title for name, c in table.columns.items()})
    formats = {c.title: c.text for c in table.columns.values()}
    styled = shown.style.format(formats)
    if table.colour is not None:
        styled = styled.apply(table.colour, subset=[table.columns[name].title for name in table.coloured])
    config = {
        c.title: st.column_config.Column(help=c.help, pinned=c.pinned or None)
        for c in table.columns.values()
        if c.help or c.pinned
    }
    panels.table(styled, key=key, alt=table.alt, column_config=config, height="content", **listening)


def _show_film(key: str, told: Film) -> None:
    found = [strip(told.run, kind, word) for kind, word in told.strips.items()]
    above = [] if told.still is None else [still(told.still, told.still_label)]
    strips = [*above, *(one for one in found if one is not None)]
    film([Track(strips, told.alt)], key=key, epoch=told.epoch)


def show_section(section: Section, on_select: Listener | None = None, across: int = 2) -> None:
    """Show a section's heading and its panels, ``across`` side by side on a wide screen."""
    heading(section.title, section.anchor)
    for start in range(0, len(section.panels), across):
        row = section.panels[start : start + across]
        for column, panel in zip(panels.columns(min(across, len(section.panels))), row, strict=False):
            with column:
                show_panel(panel, on_select)


def show_verdict(verdict: Verdict) -> None:
    """Show the answer, and the rest on demand."""
    panels.verdict([linked(one) for one in verdict.answer], [linked(one) for one in verdict.more])


def show_references(rows: Sequence[Reference]) -> None:
    """Show the table beside the references."""
    references.references(rows)


def show_how(how: How) -> None:
    """Show formula, text, architecture, sources and things to try."""
    probe.how_it_works(
        formula=how.formula, text=linked(how.text), architecture=how.architecture, source=how.sources, tries=how.tries
    )
