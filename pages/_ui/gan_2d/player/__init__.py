"""The 2-D GAN on canvases of our own: a player of films and a square to draw points into.

Both are Streamlit components (version 2). The player gets all frames as one block of bytes and plays and scrubs them in
the browser; it tells Python where it came to rest, which layers are on and its speed. The square tells Python the
points after each stroke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.chapters.gan_2d.film import Film
from core.chapters.gan_2d.state import Reading, read_state
from core.charts.palette import GENERATED, SKY, VERMILION
from core.data.points import LEVELS, MAX_POINTS, decode
from core.errors import DataError
from pages._ui.controls.offers import Offer
from pages._ui.show import packing, transport
from pages._ui.show.transport import SPEEDS

LAYERS = ("field", "real", "generated", "arrows", "manifold")
SPEED = Offer("choice", 20, options=SPEEDS)
LAYER = "|".join(LAYERS)
SHOWN_LAYERS = Offer("text", "-".join(LAYERS), pattern=f"none|({LAYER})(-({LAYER}))*")
CRITIC_SCALE = 0.25  # as in core/chapters/gan_2d/losses.py, which needs torch
_HERE = Path(__file__).parent


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_player = st.components.v2.component(
    "epoch_atlas.gan_player",
    html=_read("player.html").replace("{bar}", transport.html("frame")),
    css=transport.CSS + _read("player.css"),
    js=transport.JS + packing.JS + _read("film.js", "picture.js", "player.js"),
)
_canvas = st.components.v2.component(
    "epoch_atlas.gan_canvas", html=_read("canvas.html"), css=_read("canvas.css"), js=_read("canvas.js")
)


@dataclass(frozen=True)
class Pane:
    """One film with its measures: ``rows`` has one mapping a frame; ``n_modes`` is 0 where none are known."""

    title: str
    subtitle: str
    film: Film
    rows: Sequence[Mapping[str, float]]
    n_modes: int

    def reading(self, index: int) -> Reading:
        """Return a frame's state in words."""
        loss, step = self.film.about["loss"], self.film.steps[index]
        return read_state(self.rows[index], loss=loss, n_modes=self.n_modes, step=step)

    def head(self, first: int, size: int) -> dict[str, Any]:
        """Return what the player needs to know of the frames from ``first`` on, ready for JSON."""
        rows = self.rows[first:]
        readings = [self.reading(index) for index in range(first, len(self.rows))]
        return {
            "title": self.title,
            "subtitle": self.subtitle,
            "bytes": size,
            "scale": scale_of(self.film.about["loss"]),
            "words": [one.sentences for one in readings],
            "warnings": [one.warnings for one in readings],
            "measures": [_measure(rows, *spec) for spec in _specs(self.n_modes)],
        }


def scale_of(loss: str) -> tuple[str, str, str]:
    """Return the labels of the colour scale: its low end, its middle, its high end."""
    if loss == "wasserstein":
        return (
            f"−{CRITIC_SCALE} generated",
            "critic, centred, in sides of the square: grey where it has no preference",
            f"real +{CRITIC_SCALE}",
        )
    if loss == "least-squares":
        return "0 generated", "discriminator's score, clipped: grey where undecided", "real 1"
    return "0 generated", "discriminator's probability of real: grey where undecided", "real 1"


Series = tuple[str, str, str | None]


def _specs(n_modes: int) -> list[tuple[str, list[Series], float | None, float | None]]:
    """Return the small curves: label, series (name, column, colour), fixed ends of the axis."""
    specs: list[tuple[str, list[Series], float | None, float | None]] = [
        ("Losses:", [("discriminator", "train_d_loss", SKY), ("generator", "train_g_loss", GENERATED)], None, None),
        ("JS divergence (nats)", [("JS", "js", None)], 0.0, math.log(2)),
        ("Mean arrow", [("arrow", "arrow", None)], 0.0, None),
    ]
    if n_modes:
        specs.insert(2, (f"Modes covered, of {n_modes}", [("modes", "modes", VERMILION)], 0.0, float(n_modes)))
    return specs


def _measure(
    rows: Sequence[Mapping[str, float]], label: str, series: list[Series], low: float | None, high: float | None
) -> dict[str, Any]:
    def number(value: float | None) -> float | None:  # strict JSON knows no NaN
        return round(float(value), 5) if value is not None and math.isfinite(value) else None

    drawn = [
        {"name": name, "colour": colour, "values": [number(row.get(column)) for row in rows]}
        for name, column, colour in series
    ]
    return {"label": label, "series": drawn, "low": low, "high": high}


def bundle(
    panes: Sequence[Pane],
    *,
    name: str,
    at: int | None = None,
    first: int = 0,
    live: bool = False,
    layers: Sequence[str] = LAYERS,
    speed: int = 20,
) -> bytes:
    """Return what the player gets: a head, then one film per pane (:func:`pages._ui.show.packing.pack`).

    Parameters
    ----------
    panes
        One or two.
    name
        Changes whenever frames that the player holds become wrong.
    at
        Frame to show at first; the last one by default.
    first
        Only frames from this one on are sent: the player has the others.
    live
        Whether frames are still being added.
    layers, speed
        What is switched on, and frames a second, when the player first appears.
    """
    films = [pane.film.part(first).to_bytes() for pane in panes]
    head = {
        "id": name,
        "at": at,
        "first": first,
        "total": len(panes[0].film),
        "live": live,
        "layers": list(layers),
        "speed": speed,
        "speeds": list(SPEEDS),
        "panes": [pane.head(first, len(film)) for pane, film in zip(panes, films, strict=True)],
    }
    return packing.pack(head, films)


@dataclass(frozen=True)
class Rest:
    """Where the player came to rest: None for what it has not said yet; ``last`` where that was its last frame."""

    frame: int | None
    layers: tuple[str, ...] | None
    speed: int | None
    last: bool = False


def player(data: bytes, *, key: str, name: str, frames: int, on_resync: Callable[[], None] | None = None) -> Rest:
    """Show the player and return where it rests; what the browser says is checked.

    Parameters
    ----------
    data
        From :func:`bundle`.
    key
        Key of the component.
    name
        The bundle's name: a place in another film is not taken for one in this.
    frames
        Number of frames there are.
    on_resync
        Called when the player has missed frames of a live training; its state's ``resync`` says how many it has.
    """
    result = _player(
        key=key,
        data=data,
        on_frame_change=lambda: None,
        on_layers_change=lambda: None,
        on_speed_change=lambda: None,
        on_resync_change=on_resync or (lambda: None),
    )
    return rest_of(result, name, frames)


def rest_of(state: Mapping[str, Any], name: str, frames: int) -> Rest:
    """Return the checked state of a player."""
    said = state.get("frame")
    said = said if isinstance(said, Mapping) and said.get("id") == name else {}
    frame, of = said.get("frame"), said.get("of")
    speed = state.get("speed")
    layers = state.get("layers")
    return Rest(
        frame if type(frame) is int and 0 <= frame < frames else None,
        parse_layers(layers) if isinstance(layers, str) else None,
        speed if speed in SPEEDS else None,
        type(frame) is int and type(of) is int and frame == of - 1,
    )


def parse_layers(text: str | None) -> tuple[str, ...]:
    """Return the layers that a text such as ``field-real`` names; all of them for one that does not read."""
    if text == "none":
        return ()
    named = (text or "").split("-")
    return tuple(one for one in LAYERS if one in named) if named and set(named) <= set(LAYERS) else LAYERS


def canvas(code: str, *, key: str, label: str) -> list[list[float]] | None:
    """Show the square to draw into, holding the points of ``code``; return what is drawn, in [0, 1].

    None until the reader has drawn or erased something in this square. Values from the browser are checked; whatever
    is no pair of numbers in the square is left out.
    """
    try:
        points = [[round(x * LEVELS), round(y * LEVELS)] for x, y in decode(code)] if code else []
    except DataError:
        points = []
    result = _canvas(
        key=key,
        data={
            "points": points,
            "version": st.session_state.get(f"_{key}_version", 0),
            "most": MAX_POINTS,
            "label": label,
        },
        on_points_change=lambda: None,
    )
    return checked_points(result.points)


def replace_points(key: str) -> None:
    """Let the square of that key take over the points that Python gives it next, in place of what is drawn there."""
    st.session_state[f"_{key}_version"] = st.session_state.get(f"_{key}_version", 0) + 1


def checked_points(said: object) -> list[list[float]] | None:
    """Return the points that the browser sent, in [0, 1]; None if it sent none, or something else."""
    if not isinstance(said, list):
        return None
    pairs = [one for one in said[:MAX_POINTS] if isinstance(one, list) and len(one) == 2]
    return [
        [value / LEVELS for value in pair] for pair in pairs if all(type(v) is int and 0 <= v <= LEVELS for v in pair)
    ]
