"""Films and measures of recorded runs, as the 2-D GAN's page shows them; bounded caches keyed by the run's digest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import streamlit as st

from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import FILE, Film
from core.data.points import distribution
from core.runs.naming import names
from core.runs.store import Run
from pages._ui.controls import links
from pages._ui.controls.offers import Offer
from pages._ui.gan_2d import player as gan_player
from pages._ui.show import reading

FRAME = "epoch"  # a frame is the run's epoch, under the name that every chapter's link uses
PLAYER = "player"
FILM, RESTED = "_film", "_film_rested"  # how the player began, and the frame that it last rested at


@st.cache_resource(max_entries=12, show_spinner=False)
def _film(digest: str, _run: Run) -> Film:
    return Film.load(_run.path)


def is_there(run: Run) -> bool:
    """Return whether a run has a film, even one that does not read."""
    return (run.path / FILE).is_file()


def film_of(run: Run) -> Film:
    """Return a run's film, shared by all visitors: never change it."""
    return _film(run.digest, run)


def pane_of(run: Run, title: str = "") -> gan_player.Pane:
    """Return a recorded run as a pane of the player: its frames as far as its film and its history agree."""
    config = run.config_as(GAN2DConfig)
    film = film_of(run)
    rows = [dict(row) for row in reading.history(run).to_dict("records")]
    pairs = zip(film.steps, rows, strict=False)
    n = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1]["step"], pairs))
    film, rows = Film(film.real, film.about, film.steps[:n], film.frames[:n]), rows[:n]
    pack = f", packs of {config.packing}" if config.packing > 1 else ""
    about = f"{config.loss}{pack} · {config.noise} noise in {config.noise_dim}-D · seed {config.seed}"
    n_modes = distribution(config.data, config.points, config.jitter).n_modes
    return gan_player.Pane(title or run.name, about, film, rows, n_modes)  # type: ignore[arg-type]


@st.cache_resource(max_entries=8, show_spinner=False)
def _bundle(
    digests: Sequence[str], name: str, at: int, layers: tuple[str, ...], speed: int, _runs: Sequence[Run]
) -> bytes:
    called = names(_runs)
    panes = [pane_of(run, called[run.id]) for run in _runs]
    return gan_player.bundle(panes, name=name, at=at, layers=layers, speed=speed)


def bundle_of(runs: Sequence[Run], *, name: str, at: int, layers: tuple[str, ...], speed: int) -> bytes:
    """Return what the player needs to show one recorded run, or two side by side."""
    return _bundle([run.digest for run in runs], name, at, layers, speed, runs)


def show(runs: Sequence[Run], frames: int) -> int:
    """Show the player over one run or two side by side, and return the frame that it rests at.

    A film that grows stays in the player: it goes on playing, or follows the last frame, or rests where the reader is.
    """
    begun = _begun("|".join(f"{run.id} {run.record.created}" for run in runs), frames)
    bundle = bundle_of(runs, **{name: begun[name] for name in ("name", "at", "layers", "speed")})
    rest = gan_player.player(bundle, key=PLAYER, name=begun["name"], frames=frames)
    begun["follows"] = rest.last if rest.frame is not None else begun["at"] == begun["frames"] - 1
    frame = int(begun["at"] if rest.frame is None else rest.frame)
    if begun["follows"]:
        frame = frames - 1
    st.session_state[RESTED] = frame
    links.put(FRAME, frame, _frames(frames), pin=True)
    if rest.layers is not None:
        links.put("layers", "-".join(rest.layers) or "none", gan_player.SHOWN_LAYERS)
    if rest.speed is not None:
        links.put("speed", rest.speed, gan_player.SPEED)
    return frame


def _frames(frames: int) -> Offer:
    return Offer("number", frames - 1, low=0, high=frames - 1, whole=True)


def _begun(film: str, frames: int) -> dict[str, Any]:
    """Return how the player begins with a film; anew where the address or a link on the page wants another frame."""
    wanted = links.get(FRAME, _frames(frames), "Frame")
    begun: dict[str, Any] | None = st.session_state.get(FILM)
    known = begun is not None and begun["film"] == film and PLAYER in st.session_state
    follows = begun is not None and begun["follows"] and wanted == frames - 1
    if begun is None or not known or not (follows or wanted == st.session_state.get(RESTED)):
        serial = 0 if begun is None else begun["serial"] + 1
        begun = {
            "film": film,
            "serial": serial,
            "name": f"{film}|{serial}",
            "at": wanted,
            "frames": frames,
            "follows": wanted == frames - 1,
            "layers": gan_player.parse_layers(links.get("layers", gan_player.SHOWN_LAYERS, "Layers")),
            "speed": links.get("speed", gan_player.SPEED, "Speed"),
        }
        st.session_state[FILM] = begun
    return begun
