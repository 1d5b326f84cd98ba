"""A small picture of a film's frame for the home page: field, real and generated points. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.chapters.gan_2d.film import Film, from_steps

# As in core/charts/palette.py, which stands apart from what trains.
REAL, GENERATED = "#009E73", "#7B3294"
DIVERGING = ("#7B3294", "#A775B5", "#CBB4D2", "#D9D9D9", "#AFD3C2", "#5FB491", "#009E73")

SIDE = 84
MOMENTS = (0.04, 1.0)  # of the film: early, and how it ends


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)


def thumbnail(film: Film, index: int, side: int = SIDE) -> NDArray[np.uint8]:
    """Return one frame as a picture, uint8 of shape (side, side, 3), y pointing up."""
    frame = film.frames[index]
    ticks = np.minimum(np.arange(side) * len(frame["field"]) // side, len(frame["field"]) - 1)
    levels = frame["field"][np.ix_(ticks, ticks)] / 255 * (len(DIVERGING) - 1)
    colours = np.stack([_rgb(one) for one in DIVERGING])
    low = np.minimum(levels.astype(int), len(DIVERGING) - 2)
    share = (levels - low)[..., None]
    field = colours[low] * (1 - share) + colours[low + 1] * share
    picture = 255 - (255 - field) * 0.75  # paler, so that the points on it stand out
    for points, colour in ((film.real, REAL), (frame["points"], GENERATED)):
        places = np.floor(from_steps(points) * side).astype(int)
        inside = ((places >= 0) & (places < side)).all(axis=1)
        picture[places[inside, 1], places[inside, 0]] = _rgb(colour)
    return np.asarray(np.round(picture[::-1]), np.uint8)


def strip(film: Film, side: int = SIDE) -> NDArray[np.uint8]:
    """Return the film's moments side by side as a grid of pictures, shape (1, moments, side, side, 3)."""
    last = len(film) - 1
    return np.stack([thumbnail(film, round(moment * last), side) for moment in MOMENTS])[None]
