"""Image grids: many small images composed into one, pixel for pixel. Numpy only."""

from __future__ import annotations

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
