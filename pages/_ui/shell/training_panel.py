"""The sidebar's Retrain panel: the job that the reader follows, and a form derived from the config."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core import settings
from core.charts.curves import curves, long_form
from core.data import DATASETS, availability
from core.errors import AtlasError, ConfigError, RunError
from core.jobs import queue as queue_of_jobs
from core.options import Config
from core.registry import Experiment
from core.runs.store import Run, RunStore
from core.words import duration
from pages._ui.controls import forms
from pages._ui.shell import jobs, states
from pages._ui.shell.estimates import estimate
from pages._ui.show.unchecked import unchecked

LIVE = {"train_loss": "training", "validation_loss": "validation"}
DRAWN = "_drawn_at"
REDRAW_S = 3.0  # a page that is read should not be redrawn more often than this
READ_ONLY = "Training is switched off in this deployment: the shipped runs are here to explore."


def training_panel(about: Experiment, runs: Sequence[Run], shown: Run | None, store: RunStore) -> None:
    """Show the Retrain panel of an experiment in the sidebar.

    Parameters
    ----------
    about
        The chapter's experiment.
    runs
        The experiment's runs, to judge the time by.
    shown
        The run on the page, whose settings the form can take over.
    store
        The run store.
    """
    with st.sidebar.container(key="retrain"):
        st.subheader("Retrain", anchor=False)
        if settings.read_only():
            st.caption(READ_ONLY)
            return
        job = jobs.followed(store)
        if job is not None and job.experiment == about.name:
            _job(about, job, shown is not None and shown.id == job.id)
        _form(about, list(runs), shown)


def _job(about: Experiment, run: Run, shown: bool) -> None:
    """Show the followed job: its state, live curves, and the next step as a button."""
    try:
        now = queue_of_jobs.state(run)
    except RunError as error:
        states.problem(error)
        return
    with st.container(border=True, key="job"):
        st.caption(f"Your training {run.name}")
        poll = jobs.POLL_S if now.active else None
        st.fragment(_watch, run_every=poll)(run.id, now.status, int(run.meta["epochs_done"]) if shown else None)
        st.session_state[DRAWN] = time.monotonic()
        _next_step(about, run, now, shown)
        error = jobs.refusal()
        if error is not None:
            states.problem(error)


def _watch(run_id: str, status: str, drawn_epochs: int | None) -> None:
    """Show a job as it stands now, polled while it is active.

    The page runs anew when the job's status changes and, if it is the run on the page (``drawn_epochs`` is then
    how many of its epochs are drawn), when there are new epochs to draw.
    """
    try:
        run = RunStore().get(run_id)
        now = queue_of_jobs.state(run)
    except RunError:
        st.caption("This run has been deleted.")
        return
    news = drawn_epochs is not None and int(run.meta["epochs_done"]) > drawn_epochs
    rested = time.monotonic() - st.session_state.get(DRAWN, 0.0) >= REDRAW_S
    if now.status != status or (news and rested):
        st.rerun()
    states.status_badge(now.status)
    if now.active:
        st.progress(min(now.done / max(now.total, 1), 1.0), text=jobs.progress_text(now))
    else:
        st.markdown(jobs.outcome_text(now))
    _live_curves(run)


def _live_curves(run: Run) -> None:
    try:
        frame = long_form(run.history(), LIVE)
    except RunError as error:
        states.problem(error)
        return
    if frame["epoch"].nunique() < 2:
        return
    chart = curves(frame, title_y="loss", height=130, compact=True)
    st.altair_chart(unchecked(chart), width="stretch", alt=f"Loss per epoch of the running training {run.name}")


def _next_step(about: Experiment, run: Run, now: queue_of_jobs.JobState, shown: bool) -> None:
    """Offer what can be done now, outside of the polled part so that a click is never lost to a redraw."""
    with st.container(horizontal=True, gap="small"):
        if now.active:
            st.button("Stop", key="_stop", icon=":material/stop:", on_click=jobs.stop, args=(run.id,))
        if now.resumable:
            st.button(
                "Resume",
                key="_resume",
                type="primary",
                icon=":material/play_arrow:",
                on_click=jobs.resume,
                args=(run.id,),
            )
        if now.status == "diverged" and "learning_rate" in run.meta["config"]:
            st.button(
                "Set a third of the rate",
                key="_slower",
                icon=":material/trending_down:",
                on_click=_slower,
                args=(about, run),
                help="Fills the form with this run's settings and a lower learning rate; press Train afterwards",
            )
        if run.meta["epochs_done"] and not shown:
            st.button("Show", key="_show", icon=":material/visibility:", on_click=jobs.show, args=(run.id,))
        if not now.active:
            st.button("Close", key="_close", on_click=jobs.forget)


def _slower(about: Experiment, run: Run) -> None:
    config = dict(run.meta["config"])
    low = about.config.option("learning_rate").low or 0.0
    config["learning_rate"] = max(float(f"{config['learning_rate'] / 3:.2g}"), low)
    forms.fill(about.name, config, about.config)
    jobs.forget()


@st.fragment
def _form(about: Experiment, runs: list[Run], shown: Run | None) -> None:
    """Show the form; only this part runs anew when a field changes."""
    if shown is not None:
        st.button(
            "Take the shown run's settings",
            key="_take",
            type="tertiary",
            icon=":material/content_copy:",
            on_click=forms.fill,
            args=(about.name, dict(shown.meta["config"]), about.config),
        )
    values = forms.fields(about.name, about.config)
    config, ready = _checked(about.config, values)
    if config is not None:
        guess = estimate(config, runs)
        if guess is not None:
            st.caption(f"About {duration(guess.seconds)}, judged {guess.basis}.")
    pressed = st.button(
        "Train", key="_train", type="primary", icon=":material/play_arrow:", width="stretch", disabled=not ready
    )
    if pressed and config is not None:
        _train(about, config)


def _checked(kind: type[Config], values: dict[str, Any]) -> tuple[Config | None, bool]:
    """Return the config that the form says, and whether it can be trained here; show what stands against it."""
    try:
        config = kind.from_dict(values)
    except (ConfigError, AtlasError) as error:
        states.problem(error)
        return None, False
    if config.data not in DATASETS:
        return config, True
    found = availability(config.data)
    if found.ready:
        if config.data == "mnist-5k":
            st.caption("Trains on 4,000 of the bundled images and validates on 1,000: there is no test split.")
        return config, True
    st.caption(f":material/cloud_download: {DATASETS[config.data].title} is {found.message}. Get it on the home page.")
    return config, False


def _train(about: Experiment, config: Config) -> None:
    try:
        run = queue_of_jobs.queue().submit(about.name, config)
    except AtlasError as error:
        states.problem(error)
        return
    jobs.follow(run)
    st.rerun()
