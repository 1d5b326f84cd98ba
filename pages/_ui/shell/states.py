"""States that are no result: nothing yet, data not here, unreadable run, and what to do about each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import settings
from core.data import DATASETS, availability
from core.errors import AtlasError, RunError
from core.jobs import queue
from core.runs.store import Broken, Run
from pages._ui.shell import jobs

ICONS = {
    "queued": ":material/schedule:",
    "running": ":material/autorenew:",
    "finished": ":material/check_circle:",
    "stopped": ":material/stop_circle:",
    "interrupted": ":material/power_off:",
    "diverged": ":material/trending_up:",
    "failed": ":material/error:",
}
COLOURS = {
    "queued": "gray",
    "running": "blue",
    "finished": "green",
    "stopped": "gray",
    "interrupted": "orange",
    "diverged": "orange",
    "failed": "red",
}
NEXT = {
    "diverged": "What was recorded until then is shown below. Lower the learning rate and train again.",
    "failed": "What was recorded until then is shown below. Resume it, or train it again.",
    "interrupted": "What was recorded until then is shown below. It can go on where it was.",
    "stopped": "What was recorded until then is shown below. It can go on where it was.",
}


def problem(error: AtlasError) -> None:
    """Show an error as its problem and its remedy; nothing is raised."""
    st.warning(error.remedy + ".", title=error.problem, icon=":material/build:")


def unreadable(broken: Sequence[Broken]) -> None:
    """Name the runs that do not read, each with its file and remedy."""
    if not broken:
        return
    noun = "run does" if len(broken) == 1 else "runs do"
    with st.expander(f"{len(broken)} {noun} not read", icon=":material/broken_image:"):
        for one in broken:
            st.markdown(f"**{one.id}**  \n`{one.error.problem}`  \n{one.error.remedy}.")


def nothing_yet(title: str, what_to_do: str) -> None:
    """Say that there is nothing to show yet, and what to do."""
    st.info(what_to_do, title=title, icon=":material/hourglass_empty:")


def data_note(name: str) -> None:
    """Say in one line whether a data set is on this machine; nothing for data that are computed."""
    if name not in DATASETS:
        return
    found = availability(name)
    st.caption(f"{':material/check:' if found.ready else ':material/cloud_download:'} {found.message}")


def status_badge(status: str) -> None:
    """Show a run's or a job's status as a badge."""
    st.badge(status, icon=ICONS.get(status), color=COLOURS.get(status, "gray"))  # type: ignore[arg-type]


def run_note(run: Run) -> None:
    """Say what is particular about a run that did not finish, with the next step as a button; nothing otherwise."""
    if run.shipped or run.status == "finished":
        return
    try:
        now = queue.state(run)
    except RunError as error:
        problem(error)
        return
    box = {"failed": st.error, "diverged": st.warning, "interrupted": st.warning}.get(now.status, st.info)
    box(NEXT.get(now.status, "Its panels grow as it goes on."), title=jobs.outcome_text(now), icon=ICONS[now.status])
    if now.resumable and not settings.read_only():
        icon = ":material/play_arrow:"
        st.button("Resume this run", key="_note_resume", icon=icon, on_click=jobs.resume, args=(run.id,))
