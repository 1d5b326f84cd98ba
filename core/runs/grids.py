"""Image grids: many small images composed into one, pixel for pixel, and read back with suspicion."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import DataError

GAP = 2
GAP_GREY = 128
MOST_PIXELS = 1 << 24  # of a grid: 16 million, 48 MB in memory


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

    Raises
    ------
    DataError
        If their widths differ.
    """
    widths = {picture.shape[1:] for picture in pictures}
    if len(widths) != 1:
        raise DataError(
            f"pictures of different sizes cannot stand below each other: {sorted(map(str, widths))}",
            "Delete this run and train it again",
        )
    space = np.full((gap, *pictures[0].shape[1:]), GAP_GREY, np.uint8)
    parts = [part for picture in pictures for part in (space, picture)]
    return np.concatenate(parts[1:])


def decode(png: bytes) -> Image.Image:
    """Return the picture of a PNG; ValueError or OSError if it is none, or would not fit into memory."""
    if len(png) < 24 or png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("it does not begin as one")
    width, height = struct.unpack(">II", png[16:24])
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} is more than {MOST_PIXELS:,} pixels")
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
            return image.copy()
    except (SyntaxError, struct.error, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from None
