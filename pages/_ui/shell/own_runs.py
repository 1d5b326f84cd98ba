"""The reader's own runs: open, or delete after a question."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import settings
from core.errors import AtlasError
from core.jobs import queue as jobs
from core.registry import EXPERIMENTS
from core.runs.store import Broken, Run, RunStore
from core.words import as_text, count, when
from pages._ui.controls.picker import data_title
from pages._ui.shell import cards, states
from pages._ui.shell import navigation as atlas

FEW = 8
DELETED = "_deleted"


def own_runs(runs: Sequence[Run], broken: Sequence[Broken]) -> None:
    """Show the reader's own runs, newest first, and those that do not read."""
    own = [run for run in runs if not run.shipped]
    said = st.session_state.pop(DELETED, None)
    if isinstance(said, AtlasError):
        states.problem(said)
    elif said:
        st.toast(said, icon=":material/delete:")
    if not own and not broken:
        st.caption(
            "None yet. Open a chapter and press Train: the run appears here and on its chapter's page."
            if not settings.read_only()
            else "Training is switched off in this deployment."
        )
    everything = len(own) <= FEW or st.toggle(f"Show all {len(own)}", key="_all_runs")
    for run in own if everything else own[:FEW]:
        _row(run)
    for one in broken:
        _broken_row(one)


def _row(run: Run) -> None:
    about = EXPERIMENTS[run.experiment]
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"own-{run.experiment}-{run.name}"
    ):
        with st.container(gap="xxsmall"):
            st.markdown(f"**{about.title}** · {run.name}")
            figure = cards.headline_of(about, run)
            parts = [data_title(run), count(run.epochs_done, "epoch"), when(run.record.created)]
            st.caption(" · ".join([*parts, *([" ".join(figure)] if figure else [])]))
        try:
            status = jobs.state(run).status
        except AtlasError:
            status = run.status
        states.status_badge(status)
        if (atlas.PAGES / f"{run.experiment}.py").is_file():
            icon = ":material/open_in_new:"
            st.page_link(atlas.page_of(run.experiment), label="Open", icon=icon, query_params={"run": run.id})
        _delete_button(run.id)


def _broken_row(one: Broken) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"broken-{one.id.replace('/', '-')}"
    ):
        with st.container(gap="xxsmall"):
            st.markdown(f":material/broken_image: **{as_text(one.id)}** does not read")
            st.caption(f"{as_text(one.error.problem)}  \n{as_text(one.error.remedy, code=True)}.")
        if one.id.startswith("own/"):
            _delete_button(one.id)


def _delete_button(run_id: str) -> None:
    if settings.read_only():
        return
    if st.button("Delete", key=f"_delete_{run_id}", icon=":material/delete:", type="tertiary"):
        _confirm(run_id)


@st.dialog("Delete this run?")
def _confirm(run_id: str) -> None:
    st.markdown(f"**{run_id}** and all that was recorded of it will be gone.")
    with st.container(horizontal=True):
        if st.button("Delete", key="_delete_yes", type="primary", icon=":material/delete:"):
            st.session_state[DELETED] = delete(run_id)
            st.rerun()
        if st.button("Keep", key="_delete_no"):
            st.rerun()


def delete(run_id: str) -> str | AtlasError:
    """Delete an own run (the store refuses one that is being trained); return what was done, or why not."""
    try:
        RunStore().delete(run_id)
    except AtlasError as error:
        return error
    return f"Deleted {run_id}"
