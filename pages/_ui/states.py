"""States that are no result: nothing yet, data not here, unreadable run, and what to do about each."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.data import DATASETS, availability
from core.errors import AtlasError
from core.training.runs import Broken, Run

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
    """Say what is particular about a run that did not finish; nothing for one that did."""
    reason = run.meta.get("reason")
    if run.status == "diverged":
        at = run.meta.get("diverged_at") or {}
        st.warning(
            "Lower the learning rate and train again. What was recorded until then is shown below.",
            title=f"The loss became infinite or NaN in epoch {at.get('epoch', '?')}, step {at.get('step', '?')}",
            icon=ICONS["diverged"],
        )
    elif run.status == "failed":
        st.error("Train it again, or pick another run.", title=f"This training failed: {reason or 'reason unknown'}")
    elif run.status == "stopped":
        done = run.meta["epochs_done"]
        st.info(f"It was stopped after {done} epochs. Resume it in the sidebar.", icon=ICONS["stopped"])
