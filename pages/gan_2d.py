"""2-D GAN: the decision field, the two sets of points, the arrows between them; recorded and live."""

from __future__ import annotations

import streamlit as st

from core.chapters.gan_2d import story
from core.chapters.gan_2d.config import GAN2DConfig
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.controls import links
from pages._ui.gan_2d import film as gan_film
from pages._ui.gan_2d import lab as gan_lab


def beside(ch: ui.Chapter) -> dict[str, Run]:
    """Return the runs that may stand beside the shown one, those on the same points and seed first."""
    mine = ch.run.config_as(GAN2DConfig)

    def far(run: Run) -> tuple[bool, bool, str]:
        config = run.config_as(GAN2DConfig)
        return (config.data, config.points) != (mine.data, mine.points), config.seed != mine.seed, run.name

    there = [run for run in ch.runs if run.id != ch.run.id and gan_film.is_there(run)]
    return {run.name if run.shipped else f"yours: {run.name}": run for run in sorted(there, key=far)}


def show_picture(ch: ui.Chapter) -> tuple[int, list[Run]]:
    """Show the player over the run, alone or beside another; return the frame it rests at, and the runs."""
    others, picked = beside(ch), None
    if others:
        with ch.controls:
            picked = ui.control(
                st.selectbox, "Beside it", list(others), key="with", index=None, placeholder="one run alone"
            )
    else:
        links.unavailable("with", "Beside it", "there is no other run of this chapter here")
    runs = [ch.run, *([others[picked]] if picked else [])]
    frame = gan_film.show(runs, len(gan_film.pane_of(ch.run).film))
    st.button(
        "Train on from this frame",
        key="_branch",
        icon=":material/fork_right:",
        on_click=gan_lab.begin_branch,
        args=(ch.run, frame),
        help="Opens the laboratory below at this frame: a branch that you can change",
    )
    return frame, runs


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("gan_2d")
    run, frame, runs = ch.run, None, [ch.run]
    if run.status != "finished" and not gan_film.is_there(run):
        ui.no_epoch(run, "Its picture and its measures appear with the first frame.")
        return
    with ui.guarded():
        frame, runs = show_picture(ch)
    with ui.guarded():
        ui.show_figures(story.figures(run))
    with ui.probe("Laboratory: train it live, step either network, draw your own points", key="lab") as opened:
        if opened:
            with ui.guarded():
                gan_lab.show_lab(ch.runs)
    with ui.guarded():
        if frame is not None:
            ui.show_section(story.course(runs, frame))
        said = story.verdict(run, frame)
        if said is not None:
            ui.show_verdict(said)
    with ui.guarded():
        seeds = story.over_seeds(run)
        if seeds is not None:
            ui.show_section(seeds)
    with ui.guarded():
        rows = story.references(run)
        if rows:
            ui.show_references(rows)
        ui.show_how(story.how(run))


with ui.guarded():
    main()
ui.end_contents()
