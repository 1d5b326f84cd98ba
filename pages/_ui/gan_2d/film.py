"""Films and measures of recorded runs, as the 2-D GAN's page shows them; bounded caches keyed by the run's digest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import streamlit as st

from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import Film
from core.data.points import distribution
from core.errors import RunError
from core.runs.store import Run
from pages._ui.gan_2d import player as gan_player
from pages._ui.show import reading


@st.cache_resource(max_entries=12, show_spinner=False)
def _film(digest: str, _run: Run) -> Film:
    return Film.load(_run.path)


def film_of(run: Run) -> Film:
    """Return a run's film, shared by all visitors: never change it."""
    return _film(run.digest, run)


def config_of(run: Run) -> GAN2DConfig:
    """Return the run's config; RunError if the run is of another experiment."""
    if not isinstance(run.config, GAN2DConfig):
        raise RunError(f"{run.id} is no 2-D GAN", "Pick a run of the experiment gan_2d")
    return run.config


def pane_of(run: Run) -> gan_player.Pane:
    """Return a recorded run as a pane of the player: its frames as far as its film and its history agree."""
    config = config_of(run)
    film = film_of(run)
    rows = [dict(row) for row in reading.history(run).to_dict("records")]
    pairs = zip(film.steps, rows, strict=False)
    n = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1]["step"], pairs))
    film, rows = Film(film.real, film.about, film.steps[:n], film.frames[:n]), rows[:n]
    pack = f", packs of {config.packing}" if config.packing > 1 else ""
    about = f"{config.loss}{pack} · {config.noise} noise in {config.noise_dim}-D · seed {config.seed}"
    n_modes = distribution(config.data, config.points, config.jitter).n_modes
    return gan_player.Pane(run.name, about, film, rows, n_modes)  # type: ignore[arg-type]


@st.cache_resource(max_entries=8, show_spinner=False)
def _bundle(name: str, at: int, layers: tuple[str, ...], speed: int, _runs: Sequence[Run]) -> bytes:
    return gan_player.bundle([pane_of(run) for run in _runs], name=name, at=at, layers=layers, speed=speed)


def bundle_of(runs: Sequence[Run], *, name: str, at: int, layers: tuple[str, ...], speed: int) -> bytes:
    """Return what the player needs to show one recorded run, or two side by side."""
    return _bundle(name, at, layers, speed, runs)
