"""A drawing is its strokes: lists of points in canvas units, turned into pixels here. Importing this loads no torch.

``pages/_ui/runtime/drawing.js`` is this module's twin and gives the same pixels, bit for bit: the arithmetic is written
in the same order in both, and uses only what IEEE 754 rounds alike everywhere (+ - * / and the square root). A test
holds the two together. A drawing becomes a digit by :func:`core.data.images.from_drawing`, here as there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError

CANVAS = 280.0  # side of the canvas in its own units, whatever size it has on screen
MOST_STROKES = 200
MOST_POINTS = 5_000  # of all strokes together: minutes of drawing
WIDEST = 100.0  # canvas units
MARGIN = CANVAS  # a stroke may leave the canvas, but not by more than this

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """One stroke with a round brush: its width and its points, in canvas units, y downwards; one point is a dot."""

    width: float
    points: tuple[Point, ...]


def parse_strokes(said: object) -> tuple[Stroke, ...]:
    """Return the strokes that a browser or a link sent: a list of ``{"width": w, "points": [[x, y], ...]}``.

    Raises
    ------
    DataError
        If it is anything else, holds a number that is not finite or far outside the canvas, or is too long.
    """
    refusal = DataError("the drawing did not arrive whole", "Clear the canvas and draw again")
    if not isinstance(said, Sequence) or isinstance(said, str | bytes) or len(said) > MOST_STROKES:
        raise refusal
    strokes, left = [], MOST_POINTS
    for one in said:
        points = one.get("points") if isinstance(one, Mapping) else None
        if not isinstance(points, Sequence) or isinstance(points, str | bytes) or not 0 < len(points) <= left:
            raise refusal
        if not _number(one.get("width"), 0, WIDEST) or not all(_is_point(point) for point in points):
            raise refusal
        left -= len(points)
        strokes.append(Stroke(float(one["width"]), tuple((float(x), float(y)) for x, y in points)))
    return tuple(strokes)


def _number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high  # NaN fails


def _is_point(value: Any) -> bool:
    plain = isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2
    return plain and all(_number(one, -MARGIN, CANVAS + MARGIN) for one in value)


def rasterise(strokes: Sequence[Stroke], size: int = 280) -> NDArray[np.uint8]:
    """Return the drawing's ink, 0 to 255: how much of each pixel a round brush covers.

    A pixel's cover is ``radius - distance + 1/2``, kept within 0 and 1, where the distance is that of its centre from
    the nearest piece of the stroke, all in pixels: caps and joins are round, edges one pixel wide. Where strokes cross
    the greater cover counts.

    Parameters
    ----------
    strokes
        In canvas units.
    size
        Side of the picture in pixels.

    Returns
    -------
    ndarray of uint8, shape (size, size)
    """
    ink = np.zeros((size, size))
    scale = size / CANVAS
    for stroke in strokes:
        radius = stroke.width * scale / 2
        for start, end in _segments(stroke.points):
            _cover(ink, start[0] * scale, start[1] * scale, end[0] * scale, end[1] * scale, radius)
    return np.floor(ink * 255 + 0.5).astype(np.uint8)


def _segments(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Yield the pieces between neighbouring points; a lone point is a piece without length."""
    if len(points) == 1:
        yield points[0], points[0]
    yield from itertools.pairwise(points)


def _cover(ink: NDArray[np.float64], x0: float, y0: float, x1: float, y1: float, radius: float) -> None:
    """Raise the ink to the cover of one piece, within the box that it can reach."""
    size, reach = len(ink), radius + 1
    top, bottom = max(math.floor(min(y0, y1) - reach), 0), min(math.ceil(max(y0, y1) + reach), size)
    left, right = max(math.floor(min(x0, x1) - reach), 0), min(math.ceil(max(x0, x1) + reach), size)
    if top >= bottom or left >= right:
        return
    dx, dy = x1 - x0, y1 - y0
    squared = dx * dx + dy * dy
    px = np.arange(left, right)[None, :] + 0.5 - x0
    py = np.arange(top, bottom)[:, None] + 0.5 - y0
    share = np.clip((px * dx + py * dy) / squared, 0, 1) if squared > 0 else 0.0
    ex, ey = px - share * dx, py - share * dy
    cover = np.clip(radius - np.sqrt(ex * ex + ey * ey) + 0.5, 0, 1)
    part = ink[top:bottom, left:right]
    np.maximum(part, cover, out=part)
