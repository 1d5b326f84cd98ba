"""The slim bar of running and queued jobs on every page: epoch, time left, Stop."""

from __future__ import annotations

import streamlit as st

from core import settings
from core.errors import RunError
from core.jobs import queue as queue_of_jobs
from core.registry import EXPERIMENTS
from core.runs.store import Run, RunStore
from pages._ui.shell import jobs

MOST = 3  # lines; further jobs are counted


def job_bar() -> None:
    """Show a line per active job; nothing when nothing runs or training is switched off."""
    if settings.read_only():
        return
    jobs.followed(RunStore())  # keeps the followed job in the URL of every page
    active = queue_of_jobs.queue().active()
    if not active:
        return
    with st.container(key="job-bar", gap="xsmall"):
        for run in active[:MOST]:
            _line(run)
        if len(active) > MOST:
            st.caption(f"and {len(active) - MOST} more in the queue")


def _line(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, key=f"bar-{run.experiment}-{run.name}"):
        with st.container():
            st.fragment(_progress, run_every=jobs.POLL_S)(run.id)
        st.button(
            "Stop",
            key=f"_bar_stop_{run.experiment}_{run.name}",
            icon=":material/stop:",
            type="tertiary",
            on_click=jobs.stop,
            args=(run.id,),
            help=f"Stop the training {run.name}; it can be resumed",
        )


def _progress(run_id: str) -> None:
    try:
        run = RunStore().get(run_id)
        now = queue_of_jobs.state(run)
    except RunError:
        st.rerun()
    if not now.active:
        st.rerun()
    title = EXPERIMENTS[run.experiment].title
    st.progress(min(now.done / max(now.total, 1), 1.0), text=f"**{title}** · {run.name} · {jobs.progress_text(now)}")
