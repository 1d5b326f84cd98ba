"""The sidebar's Retrain panel: the job that the reader follows, and a form derived from the config."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core import settings
from core.charts.curves import curves, long_form
from core.data import DATASETS, availability
from core.errors import AtlasError, ConfigError, RunError
from core.jobs import queue as queue_of_jobs
from core.jobs.waiting import Waiting, train_after_download, waiting_of
from core.options import Config
from core.registry import Experiment
from core.runs.store import Run, RunStore
from core.words import duration, megabytes
from pages._ui.controls import forms
from pages._ui.shell import datasets, jobs, states
from pages._ui.shell.estimates import estimate
from pages._ui.show.unchecked import unchecked

LIVE = {"train_loss": "training", "validation_loss": "validation"}
WAITING = "_waiting"  # the training that this reader has asked for and whose data are on their way
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
        st.fragment(_watch, run_every=jobs.POLL_S if now.active else None)(run.id, now.status)
        _next_step(about, run, now, shown)
        error = jobs.refusal()
        if error is not None:
            states.problem(error)


def _watch(run_id: str, status: str) -> None:
    """Show a job as it stands now, polled while it is active; the page runs anew when its status changes."""
    try:
        run = RunStore().get(run_id)
        now = queue_of_jobs.state(run)
    except RunError:
        st.caption("This run has been deleted.")
        return
    if now.status != status:
        st.rerun()
    states.status_badge(now.status)
    if now.active:
        st.progress(min(now.done / max(now.total, 1), 1.0), text=jobs.progress_text(now))
    else:
        st.markdown(jobs.outcome_text(now))
    _live_curves(run)


def _live_curves(run: Run) -> None:
    try:
        frame = long_form(run.whole_history(), LIVE, diverged=run.diverged_at and run.diverged_at[0])
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
        if now.status == "diverged" and not shown:  # its note on the page offers it
            states.gentle_button(run, about, key="_slower")
        if not shown and (now.active or run.epochs_done):
            st.button(
                "Watch it" if now.active else "Show it",
                key="_show",
                type="primary" if now.active else "secondary",
                icon=":material/visibility:",
                on_click=jobs.show,
                args=(run.id,),
                help="Shows this run on the page; the run picker leads back",
            )
        if not now.active:
            st.button("Close", key="_close", on_click=jobs.forget)


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
            args=(about.name, shown.config.to_dict(), about.config),
        )
    usual, here = about.config(), opening(about.config)
    config = _checked(about.config, forms.fields(about.name, about.config, here))
    if config is None:
        st.button("Train", key="_train", icon=":material/play_arrow:", width="stretch", disabled=True)
        return
    guess = estimate(config, runs)
    if guess is not None:
        st.caption(f"About {duration(guess.seconds)}, judged {guess.basis}.")
    if _waits(about):
        return
    if config.data in DATASETS and not availability(config.data).ready:
        _download(about, config, first=True)
        return
    if st.button("Train", key="_train", type="primary", icon=":material/play_arrow:", width="stretch"):
        st.session_state.pop(WAITING, None)
        _train(about, config)
    if config.data == here.data != usual.data:
        _download(about, config.changed(data=usual.data), first=False)


def opening(kind: type[Config]) -> Config:
    """Return the config that the form opens with: the default one, on data that are on this machine."""
    usual = kind()
    if usual.data not in DATASETS or availability(usual.data).ready:
        return usual
    there = (one for one in kind.option("data").choices if one in DATASETS and availability(one).ready)
    return usual.changed(data=next(there, usual.data))


def _checked(kind: type[Config], values: dict[str, Any]) -> Config | None:
    """Return the config that the form says, or None and what stands against it; say what its data are."""
    try:
        config = kind.from_dict(values)
    except (ConfigError, AtlasError) as error:
        states.problem(error)
        return None
    if config.data == "mnist-5k":
        st.caption("Trains on 4,000 of the bundled images and validates on 1,000: there is no test split.")
    return config


def _download(about: Experiment, config: Config, *, first: bool) -> None:
    """Offer to download a config's data and to train then; ``first`` where nothing else can be trained."""
    info, found = DATASETS[config.data], availability(config.data)
    size = megabytes(found.bytes_to_download)
    if first:
        st.caption(f":material/cloud_download: {info.title} is not on this machine.")
    else:
        st.caption(
            f":material/cloud_download: {info.title}, {info.sizes['train']:,} images for training, is not on this "
            "machine: the form opened on data that are here."
        )
    pressed = st.button(
        f"Download {size} and train" if first else f"Download {info.title} ({size}) and train on it",
        key="_get_and_train",
        type="primary" if first else "secondary",
        icon=":material/download:",
        width="stretch",
    )
    if pressed:
        try:
            st.session_state[WAITING] = train_after_download(about.name, config)
        except AtlasError as error:
            states.problem(error)
            return
        st.rerun()


def _waits(about: Experiment) -> bool:
    """Show the training that waits for its data, and take it up when it has begun; return whether one waits."""
    mine: Waiting | None = st.session_state.get(WAITING)
    waiting = waiting_of(about.name) or mine
    if waiting is None or waiting.experiment != about.name:
        return False
    if waiting.active:
        st.session_state[WAITING] = waiting  # after a refresh too
        st.caption(f"Training on {DATASETS[waiting.config.data].title} begins when it is here.")
        st.fragment(_until_begun, run_every=datasets.POLL_S)(waiting)
        st.button("Stop the download", key="_stop_waiting", icon=":material/stop:", on_click=waiting.stop)
        return True
    if waiting.run is not None:
        del st.session_state[WAITING]
        jobs.follow(waiting.run)
        st.rerun()
    if waiting.error is not None:  # said until the next attempt
        states.problem(waiting.error)
    return False


def _until_begun(waiting: Waiting) -> None:
    if not waiting.active:
        st.rerun()
    datasets.progress(waiting.fetch)


def _train(about: Experiment, config: Config) -> None:
    try:
        run = queue_of_jobs.queue().submit(about.name, config)
    except AtlasError as error:
        states.problem(error)
        return
    jobs.follow(run)
    st.rerun()
