"""z under the pointer, in the reader's browser: sliders, a plane, a traversal, a path between two images, new draws.

The VAE's chapter and that of per-image latents share it. It gets a decoder, and where each of some images lies in z: by
an encoder that the browser runs over the images, or by the run's own table of latents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core import layers as plain
from core.data import Split
from core.runs.store import Run
from pages._ui import runtime
from pages._ui.controls import links
from pages._ui.controls.offers import Offer
from pages._ui.runtime.payload import packed, weights_of

KEY = "latent-space"
PER_CLASS = 12  # images shown in the plane
REACH = 8.19  # values of z that a link can hold
STEP = 0.004
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MOST_IN_LINK = 100  # dimensions: two letters each in a link
LAST_SEED = 99_999
DRAWN = "drawn"
START = "_latent_start"

_probe = runtime.component("latent_space", Path(__file__).parent)


@dataclass(frozen=True)
class Shown:
    """Images beside the decoder: a few of each class, in the order of their classes.

    Parameters
    ----------
    word
        ``validation`` or ``training``.
    places
        Where they stand among those to choose from: the rows of a run's own latents.
    numbers
        Where they stand in the split.
    labels
        Their classes.
    images
        uint8, shape (n, 28, 28).
    here
        Whether the split is on this machine; without it there are none.
    """

    word: str
    places: list[int]
    numbers: list[int]
    labels: list[int]
    images: NDArray[np.uint8]
    here: bool = True

    @classmethod
    def of(cls, split: Split | None, word: str, among: NDArray[np.int64] | None = None) -> Shown:
        """Return the first images of each class, of the whole split or of those at the places ``among``."""
        if split is None:
            return cls(word, [], [], [], np.zeros((0, 28, 28), np.uint8), here=False)
        among = np.arange(len(split)) if among is None else among
        labels = np.asarray(split.labels)[among]
        places = np.concatenate([np.flatnonzero(labels == label)[:PER_CLASS] for label in np.unique(labels)])
        numbers = among[places]
        return cls(word, places.tolist(), numbers.tolist(), labels[places].tolist(), np.asarray(split.images[numbers]))


@dataclass(frozen=True)
class Latents:
    """What of a run the probe computes with, as JSON for the browser.

    ``encoder`` gives means and log-variances; where it is None, ``rows`` names the tensor that holds them (n, 2 * d).
    """

    decoder: list[dict[str, Any]]
    dimensions: int
    encoder: list[dict[str, Any]] | None = None
    rows: Mapping[str, Any] | None = None


def show(run: Run, at: int, latents: Latents, shown: Shown, *, order: Sequence[int], names: Sequence[str]) -> None:
    """Show the probe with the weights of a kept epoch; where the reader rests goes into the URL.

    Parameters
    ----------
    at
        A kept epoch.
    order
        Dimensions of z, the most telling first.
    names
        Of the classes.
    """
    d, n = latents.dimensions, len(shown.places)
    offered = offers(d, n, order)
    start = _start(run, offered)
    head = {
        "id": f"{run.digest}:{at}",
        "decoder": [*latents.decoder, *plain.described_as(plain.Activation("sigmoid"), "")],
        "encoder": latents.encoder,
        "rows": latents.rows,
        "dimensions": d,
        "pixels": 784,
        "order": list(order),
        "labels": shown.labels,
        "places": shown.places,
        "numbers": shown.numbers,
        "names": list(names),
        "about": _about(shown, names),
        "start": {**start, "z": decoded(start["z"], d)},
    }
    data = packed(head, [weights_of(run, at), shown.images.tobytes()])
    said = checked(_probe(key=links.key_of(KEY), data=data, on_rest_change=lambda: None).rest, d, n)
    if said is not None:
        _remember(said, offered)


def _about(shown: Shown, names: Sequence[str]) -> str:
    if not shown.here:
        return f"The {shown.word} images are not on this machine, so the plane shows z alone."
    plain_digits = all(str(i) == name for i, name in enumerate(names))
    legend = "" if plain_digits else ": " + ", ".join(f"{i} {name}" for i, name in enumerate(names))
    return f"{len(shown.places)} {shown.word} images where their mean lies in these two dimensions, by class{legend}."


def offers(dimensions: int, images: int, order: Sequence[int]) -> dict[str, tuple[str, Offer]]:
    """Return, by the probe's name for it, the query parameter and what it offers."""
    first, second = order[0], order[min(1, len(order) - 1)]
    ends: tuple[int | str, ...] = (DRAWN, *range(images))
    return {
        "z": ("z", Offer("text", "", pattern=rf"([A-Za-z0-9_-]{{{2 * dimensions}}})?")),
        "across": ("across", Offer("number", first, low=0, high=dimensions - 1, whole=True)),
        "up": ("up", Offer("number", second, low=0, high=dimensions - 1, whole=True)),
        "dimension": ("dimension", Offer("number", first, low=0, high=dimensions - 1, whole=True)),
        "from": ("image", Offer("choice", ends[min(1, images)], ends)),
        "to": ("to", Offer("choice", ends[-1], ends)),
        "seed": ("draw", Offer("number", 1, low=0, high=LAST_SEED, whole=True)),
        "spread": ("spread", Offer("number", 1.0, low=0, high=2)),
    }


def _start(run: Run, offered: Mapping[str, tuple[str, Offer]]) -> dict[str, Any]:
    """Return what the probe begins with: what the address says, and the same until that says something else.

    What the browser itself has said since is in the address too, and is no new beginning.
    """
    asked = {name: links.get(parameter, offer, name) for name, (parameter, offer) in offered.items()}
    held = st.session_state.get(START)
    if held is None or held[0] != run.id or asked not in held[1:]:
        held = (run.id, asked, asked)
        st.session_state[START] = held
    start: dict[str, Any] = held[1]
    return start


def _remember(said: Mapping[str, Any], offered: Mapping[str, tuple[str, Offer]]) -> None:
    """Write where the probe rests into the address."""
    z = said["z"]
    values = {**said, "z": encoded(z) if len(z) <= MOST_IN_LINK and any(z) else ""}
    for name, (parameter, offer) in offered.items():
        links.put(parameter, values[name], offer)
    run_id, start, _ = st.session_state[START]
    st.session_state[START] = (run_id, start, values)


def checked(said: object, dimensions: int, images: int) -> dict[str, Any] | None:
    """Return where the probe rests, as the browser says it; None if that is nothing it could say."""
    if not isinstance(said, Mapping):
        return None
    z = said.get("z")
    if not isinstance(z, list) or len(z) != dimensions or not all(_is_number(one, -REACH, REACH) for one in z):
        return None
    if not all(_is_place(said.get(name), dimensions) for name in ("across", "up", "dimension")):
        return None
    ends = [said.get(name) for name in ("from", "to")]
    if not all(end == DRAWN or _is_place(end, max(images, 1)) for end in ends):
        return None
    if not _is_place(said.get("seed"), LAST_SEED + 1) or not _is_number(said.get("spread"), 0, 2):
        return None
    kept = {name: said[name] for name in ("z", "across", "up", "dimension", "from", "to", "seed", "spread")}
    return {**kept, "spread": float(kept["spread"])}


def _is_number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _is_place(value: object, length: int) -> bool:
    return type(value) is int and 0 <= value < length


def encoded(z: Sequence[float]) -> str:
    """Return z as text, two letters a value: steps of 0.004 from -8.192."""
    levels = [min(max(round(value / STEP) + 2048, 0), 4095) for value in z]
    return "".join(DIGITS[level // 64] + DIGITS[level % 64] for level in levels)


def decoded(text: str, dimensions: int) -> list[float]:
    """Return the z that a link holds; zeros where the text is none of that many dimensions."""
    if len(text) != 2 * dimensions or not set(text) <= set(DIGITS):
        return [0.0] * dimensions
    pairs = zip(text[::2], text[1::2], strict=True)
    values = [(64 * DIGITS.index(high) + DIGITS.index(low) - 2048) * STEP for high, low in pairs]
    return [value if math.fabs(value) <= REACH else 0.0 for value in values]
