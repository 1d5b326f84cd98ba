"""Image grids: many small images composed into one, pixel for pixel. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GAP = 2
GAP_GREY = 128


def to_uint8(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return images in [0, 1] as uint8; values outside are clipped, NaN becomes 0."""
    levels: NDArray[np.uint8] = np.round(np.clip(np.nan_to_num(images), 0, 1) * 255).astype(np.uint8)
    return levels


def compose(images: NDArray[np.uint8], gap: int = GAP) -> NDArray[np.uint8]:
    """Compose images into one, a grey gap of ``gap`` pixels between them and none around.

    Parameters
    ----------
    images
        Shape (rows, columns, height, width) or (rows, columns, height, width, 3), uint8.

    Returns
    -------
    numpy.ndarray
        Shape (rows * (height + gap) - gap, columns * (width + gap) - gap[, 3]), uint8.
    """
    if images.ndim not in (4, 5) or images.dtype != np.uint8:
        raise ValueError(
            f"expected uint8 of shape (rows, columns, height, width[, 3]), got {images.dtype} {images.shape}"
        )
    rows, columns, height, width = images.shape[:4]
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *images.shape[4:])
    sheet = np.full(shape, GAP_GREY, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + height, left : left + width] = images[row, column]
    return sheet


def stack(pictures: Sequence[NDArray[np.uint8]], gap: int = GAP) -> NDArray[np.uint8]:
    """Put composed pictures of one width below each other, with the same grey gap between them.

    Parameters
    ----------
    pictures
        Each of shape (height, width) or (height, width, 3), uint8; at least one.
    """
    widths = {picture.shape[1:] for picture in pictures}
    if len(widths) != 1:
        raise ValueError(f"expected pictures of one width and kind, got {sorted(map(str, widths))}")
    space = np.full((gap, *pictures[0].shape[1:]), GAP_GREY, np.uint8)
    parts = [part for picture in pictures for part in (space, picture)]
    return np.concatenate(parts[1:])
