"""What the screen knows of jobs: which one this reader follows, how each stands in words, and what can be done.

The job that a reader follows is in the URL (``?job=own/vae/...``), so that a refresh of the browser finds it again;
a change of page drops query parameters, and the session puts it back.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import AtlasError, RunError
from core.jobs import queue as jobs
from core.runs.store import Run, RunStore
from core.words import as_text, count, duration
from pages._ui.controls import links

POLL_S = 1.0
FOLLOWED = "_job"
REFUSED = "_job_refused"


def followed(store: RunStore) -> Run | None:
    """Return the run of the job in the URL (or of this session) and keep it in the URL; None if there is none."""
    wanted = links.read("job") or st.session_state.get(FOLLOWED)
    if wanted is None:
        return None
    try:
        run = store.get(wanted)
    except RunError:
        forget()
        return None
    if run.shipped:
        forget()
        return None
    follow(run)
    return run


def follow(run: Run) -> None:
    """Make a job the one that this reader follows."""
    st.session_state[FOLLOWED] = run.id
    links.write("job", run.id)


def forget() -> None:
    """Follow no job any more."""
    st.session_state.pop(FOLLOWED, None)
    links.write("job", None)


def progress_text(now: jobs.JobState) -> str:
    """Return how far a job is: ``epoch 3 of 10, 40 s left``."""
    if now.status == "queued":
        return as_text(now.reason or "queued, waiting for its turn")
    if now.reason:
        return as_text(now.reason)
    epoch = min(int(now.done) + 1, now.total)
    left = "" if now.left_s is None else f", {duration(now.left_s)} left"
    return f"epoch {epoch} of {now.total}{left}"


def outcome_text(now: jobs.JobState) -> str:
    """Return how an ended job stands, as a sentence."""
    done = f"epoch {int(now.done)}"
    texts = {
        "finished": f"Finished {count(now.total, 'epoch')}.",
        "stopped": f"Stopped after {done} of {now.total}.",
        "interrupted": f"Interrupted after {done} of {now.total}: {as_text(now.reason or 'its process ended')}.",
        "diverged": f"Diverged: {as_text(now.reason or 'the loss was no longer finite')}.",
        "failed": f"Failed: {as_text((now.reason or 'no reason was recorded').rstrip('.'))}.",
    }
    return texts.get(now.status, progress_text(now))


def attempt(action: Callable[[], object]) -> bool:
    """Do something to the queue in a callback; a refusal is kept and shown by :func:`refusal`."""
    try:
        action()
    except AtlasError as error:
        st.session_state[REFUSED] = error
        return False
    st.session_state.pop(REFUSED, None)
    return True


def refusal() -> AtlasError | None:
    """Return the last refusal once."""
    error: AtlasError | None = st.session_state.pop(REFUSED, None)
    return error


def stop(run_id: str) -> None:
    """Callback: stop a job."""
    attempt(lambda: jobs.queue().stop(run_id))


def resume(run_id: str) -> None:
    """Callback: resume a job and follow it."""
    if attempt(lambda: jobs.queue().resume(run_id)):
        st.session_state[FOLLOWED] = run_id
        links.write("job", run_id)


def show(run_id: str) -> None:
    """Callback: show a run on its page, at its last epoch."""
    links.set_controls({"run": run_id})
    links.reset_controls("epoch")
