"""States that are no result: nothing yet, data not here, unreadable run, and what to do about each."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from core import settings
from core.data import DATASETS, availability
from core.errors import AtlasError, RunError
from core.jobs import queue
from core.registry import Experiment
from core.runs import diverging
from core.runs.store import Broken, Run, RunStore
from core.words import as_text
from pages._ui.controls import forms
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
DRAWN = "_drawn_at"
REDRAW_S = 3.0  # a page that is read should not be redrawn more often than this
NEXT = {
    "queued": "the page fills when it begins",
    "running": "the page grows with every epoch",
    "failed": "What was recorded until then is shown below. Resume it, or train it again.",
    "interrupted": "What was recorded until then is shown below. It can go on where it was.",
    "stopped": "What was recorded until then is shown below. It can go on where it was.",
}


def problem(error: AtlasError) -> None:
    """Show an error as its problem and its remedy; nothing is raised."""
    st.warning(as_text(error.remedy, code=True) + ".", title=as_text(error.problem, code=True), icon=":material/build:")


def unreadable(broken: Sequence[Broken]) -> None:
    """Name the runs that do not read, each with its file and remedy."""
    if not broken:
        return
    noun = "run does" if len(broken) == 1 else "runs do"
    with st.expander(f"{len(broken)} {noun} not read", icon=":material/broken_image:"):
        for one in broken:
            st.markdown(
                f"**{as_text(one.id)}**  \n{as_text(one.error.problem)}  \n{as_text(one.error.remedy, code=True)}."
            )


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


def standing(run: Run) -> str:
    """Return how a run stands now, ``interrupted`` included; as it was last written where that does not read."""
    try:
        return queue.state(run).status
    except AtlasError:
        return run.status


NO_EPOCH = {
    "stopped": "It was stopped before its first epoch ended. It can go on, or be trained again.",
    "interrupted": "It was interrupted before its first epoch ended. It can go on, or be trained again.",
    "failed": "It failed before its first epoch ended.",
    "diverged": "It diverged in its first epoch: there is nothing to show but where.",
}
NOT_EVALUATED = {
    "stopped": "are made when a training has gone through all its epochs. This one was stopped, and can go on.",
    "interrupted": "are made when a training has gone through all its epochs. This one was interrupted, and can go on.",
    "failed": "are made when a training has gone through all its epochs. This one failed before.",
    "finished": "are not in this run's folder.",
    "diverged": "are made of trainings that end well. This one diverged: see above where, and what to change.",
}


def no_epoch(run: Run, what: str = "Everything on this page appears with it.") -> None:
    """Say why a run has no whole epoch; ``what`` says what comes with one that is on its way."""
    said = NO_EPOCH.get(standing(run))
    nothing_yet("No epoch to show" if said else "The first epoch has not ended", said or what)


def not_evaluated(run: Run, what: str) -> None:
    """Say why a run has not been evaluated; ``what`` is a plural that names what the evaluation gives."""
    said = NOT_EVALUATED.get(standing(run), "appear when training has ended.")
    nothing_yet("Not evaluated" if standing(run) in NOT_EVALUATED else "Not evaluated yet", f"{what} {said}")


def run_note(run: Run, about: Experiment, runs: Sequence[Run]) -> None:
    """Say what is particular about a run that did not finish, with the next step as a button; nothing otherwise.

    Parameters
    ----------
    run
        The run on the page.
    about
        Its experiment.
    runs
        Runs to compare a diverged one with.
    """
    if run.shipped or run.status == "finished":
        return
    try:
        now = queue.state(run)
    except RunError as error:
        problem(error)
        return
    if now.active:
        _grows(run, now)
        return
    said = _diverged(run, about, runs) if now.status == "diverged" else NEXT[now.status]
    box = {"failed": st.error, "diverged": st.warning, "interrupted": st.warning}.get(now.status, st.info)
    box(said, title=jobs.outcome_text(now), icon=ICONS[now.status])
    if settings.read_only():
        return
    if now.status == "diverged":
        gentle_button(run, about, key="_note_gentler")
    if now.resumable:
        icon = ":material/play_arrow:"
        st.button("Resume this run", key="_note_resume", icon=icon, on_click=jobs.resume, args=(run.id,))


def _grows(run: Run, now: queue.JobState) -> None:
    """Say how far the run on the page is, and draw the page anew with its epochs."""
    st.session_state[DRAWN] = time.monotonic()
    with st.container(key="growing"):
        st.fragment(_watch, run_every=jobs.POLL_S)(run.id, now.status, run.epochs_done)


def _watch(run_id: str, status: str, drawn_epochs: int) -> None:
    """Show a run as it stands now; the page runs anew when its status changes or there are new epochs to draw."""
    try:
        run = RunStore().get(run_id)
        now = queue.state(run)
    except RunError:
        st.rerun()
    rested = time.monotonic() - st.session_state.get(DRAWN, 0.0) >= REDRAW_S
    if now.status != status or (run.epochs_done > drawn_epochs and rested):
        st.rerun()
    st.markdown(f"{ICONS[status]} **{status.capitalize()}**: {jobs.progress_text(now)}; {NEXT[status]}.")


def _diverged(run: Run, about: Experiment, runs: Sequence[Run]) -> str:
    """Return what a diverged run shows and what to change, in sentences."""
    sound = [one for one in runs if one.id != run.id and one.status == "finished"]
    alike = sorted(sound, key=lambda one: (one.record.data.name != run.record.data.name, not one.shipped))
    slower = diverging.gentler_words(about.config, run.config.to_dict())
    try:
        learned = diverging.learned(run, next(iter(alike), None))
    except RunError as error:
        learned = [f"{error.problem}."]
    remedy = f"To try: {slower}." if slower else ""
    return " ".join([*learned, remedy, "The whole epochs are shown below." if run.epochs_done else ""]).strip()


def gentle_button(run: Run, about: Experiment, key: str) -> None:
    """Offer to fill the form with a run's settings at lower learning rates; nothing where it has no rate."""
    words = diverging.gentler_words(about.config, run.config.to_dict())
    if words:
        st.button(
            "Set a third of the rate",
            key=key,
            icon=":material/trending_down:",
            on_click=_gentler,
            args=(run, about),
            help=f"Fills the form with this run's settings and {words}; press Train afterwards",
        )


def _gentler(run: Run, about: Experiment) -> None:
    forms.fill(about.name, diverging.gentler(about.config, run.config.to_dict()), about.config)
    jobs.forget()
