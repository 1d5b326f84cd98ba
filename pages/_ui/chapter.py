"""The facade of ``pages._ui``: what a chapter needs, under one name.

::

    from pages._ui import chapter as ui

    ch = ui.open_chapter("vae")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import streamlit as st

from core.errors import AtlasError
from core.registry import Experiment, experiment
from core.runs.store import Broken, Run, RunStore
from core.story import Figure, Reference, Try
from pages._ui.controls import links, picker, scrubber
from pages._ui.controls.links import control, set_controls
from pages._ui.shell import states, training_panel
from pages._ui.shell.begin import begin
from pages._ui.shell.glossary import term
from pages._ui.shell.states import data_note, no_epoch, not_evaluated, nothing_yet, problem
from pages._ui.show.contents import begin_contents, end_contents, heading
from pages._ui.show.drawn import drawn
from pages._ui.show.film import Strip, Track, film, still, strip
from pages._ui.show.grids import image_grid
from pages._ui.show.panels import chart, columns, headline, panel, table, verdict
from pages._ui.show.probe import Probe, how_it_works, probe, tries
from pages._ui.show.reading import cached_model, history, sample, snapshot_for
from pages._ui.show.reading import table as run_table
from pages._ui.show.references import references
from pages._ui.show.story import (
    show_figures,
    show_how,
    show_panel,
    show_references,
    show_section,
    show_verdict,
)

__all__ = [
    "Chapter",
    "Figure",
    "Probe",
    "Reference",
    "Strip",
    "Track",
    "Try",
    "begin",
    "cached_model",
    "chart",
    "columns",
    "control",
    "data_note",
    "drawn",
    "end_contents",
    "epoch_scrubber",
    "film",
    "guarded",
    "heading",
    "headline",
    "history",
    "how_it_works",
    "image_grid",
    "no_epoch",
    "not_evaluated",
    "nothing_yet",
    "open_chapter",
    "overlay_runs",
    "panel",
    "part",
    "probe",
    "problem",
    "references",
    "run_table",
    "sample",
    "set_controls",
    "show_figures",
    "show_how",
    "show_panel",
    "show_references",
    "show_section",
    "show_verdict",
    "snapshot_for",
    "still",
    "strip",
    "table",
    "term",
    "tries",
    "verdict",
]


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Chapter:
    """An opened chapter: its experiment, the run that is shown, and all runs that read.

    ``controls`` is the place in the sidebar, above Retrain, for the page's own controls.
    """

    experiment: Experiment
    run: Run
    runs: Sequence[Run]
    broken: Sequence[Broken]
    store: RunStore
    controls: Any


def open_chapter(name: str) -> Chapter:
    """Show what every chapter begins with and return the chapter; ends the script if no run reads.

    Shows the bar of running jobs, title and question, run picker with provenance line, the sidebar's Retrain
    panel, and the state of a run that did not finish.
    """
    about = experiment(name)
    store = RunStore()
    runs, broken = store.scan(name)
    begin(name)
    st.title(about.title)
    st.markdown(about.question)
    controls = st.sidebar.container()
    if not runs:
        training_panel.training_panel(about, runs, None, store)
        states.nothing_yet(
            "No run of this chapter is here yet",
            "Choose a data set and press Train in the sidebar; the first epoch shows up here.",
        )
        states.unreadable(broken)
        st.stop()
    run = picker.pick_run(runs, {one.id: "it cannot be read" for one in broken})
    links.remarks()
    training_panel.training_panel(about, runs, run, store)
    states.run_note(run, about, runs)
    states.unreadable(broken)
    begin_contents()
    return Chapter(about, run, runs, broken, store, controls)


def epoch_scrubber(ch: Chapter, epochs: Sequence[int] | None = None, *, film: bool = False) -> int:
    """Show the page's one scrubber and return the epoch; over all recorded epochs unless told otherwise.

    Where the history does not read, which is said, it goes over the epochs that were trained: the rest is there. With
    ``film`` it plays and scrubs the page's films in the browser.
    """
    if epochs is None:
        epochs = part(scrubber.epochs_of, ch.run)
    grows = ch.run.status in ("queued", "running")
    shown = range(1, ch.run.epochs_done + 1) if epochs is None else epochs
    return scrubber.epoch_scrubber(shown, grows=grows, film=film)


def overlay_runs(ch: Chapter) -> list[Run]:
    """Let the reader pick further runs to draw into the curves; return them."""
    return picker.overlay_runs(ch.runs, ch.run)


def part(show: Callable[P, T], *args: P.args, **more: P.kwargs) -> T | None:
    """Show one section of a page and return what it returns; None if a file of the run does not read, which is said."""
    with guarded():
        return show(*args, **more)
    return None


@contextmanager
def guarded() -> Iterator[None]:
    """Show an AtlasError raised inside (an unreadable file, say) in place; the rest of the page goes on."""
    try:
        yield
    except AtlasError as error:
        states.problem(error)
