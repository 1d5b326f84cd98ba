"""From stored or drawn images to what the models see. Importing this module does not import torch.

One value range everywhere: models see float32 in [0, 1], 0 for paper and 1 for full ink, shape (n, 1, 28, 28). There is
no mean or deviation to subtract, hence none to forget. Training, evaluation and hand-drawn digits all go through
:func:`preprocess`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data.catalogue import SIDE
from core.errors import DataError

if TYPE_CHECKING:
    import torch

FULL_INK = 255
BOX_SIDE = 20  # pixels: MNIST's digits fill a box of this side
CENTRE = 14  # pixel index: MNIST's centres of mass lie within half a pixel of (14, 14)
FAINTEST = 32  # of 255: a canvas whose darkest pixel holds less ink than this counts as blank


def as_tensor(images: NDArray[Any]) -> torch.Tensor:
    """Return a CPU tensor that shares memory with a split's images or labels; nothing is copied.

    ``torch.from_numpy`` warns about read-only arrays, because torch has no read-only tensors. This function gives
    torch a second, writable view of the same memory: never write to the result in place, every user of the process
    shares it. An array whose memory itself is read-only is copied.

    Parameters
    ----------
    images : ndarray of any shape and of a type known to torch
    """
    import torch

    view = images.view()
    try:
        view.flags.writeable = True
    except ValueError:
        view = images.copy()
    return torch.from_numpy(view)


def _checked_shape(images: Any) -> tuple[int, int, int, int]:
    """Return (n, 1, 28, 28) for a batch of images, or raise the error that says what is wrong with it."""
    shape, kind = tuple(images.shape), str(images.dtype).removeprefix("torch.")
    if kind != "uint8":
        raise DataError(
            f"images have type {kind}, not uint8", "Pass the stored values, 0 to 255, not preprocessed ones"
        )
    plain = shape[-2:] == (SIDE, SIDE) and (len(shape) in (2, 3) or (len(shape) == 4 and shape[1] == 1))
    if not plain:
        raise DataError(f"images have shape {shape}", "Pass shape (n, 28, 28), (n, 1, 28, 28) or (28, 28)")
    n = shape[0] if len(shape) > 2 else 1
    return n, 1, SIDE, SIDE


def preprocess(images: torch.Tensor) -> torch.Tensor:
    """Return images as the models see them: the one preprocessing of the project.

    Parameters
    ----------
    images : uint8 tensor on any device, shape (n, 28, 28), (n, 1, 28, 28) or (28, 28)

    Returns
    -------
    float32 tensor on the same device, shape (n, 1, 28, 28)
        Values in [0, 1]: ``images / 255``.

    Raises
    ------
    DataError
        If the type or the shape is another one; images that went through here before are refused by their type.
    """
    return images.reshape(_checked_shape(images)).float() / FULL_INK


def binarise(images: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
    """Return a random black-and-white version: each pixel is 1 with probability ``value / 255``.

    The stochastic binarisation of Salakhutdinov and Murray (ICML 2008); drawn anew at each call.

    Parameters
    ----------
    images : uint8 tensor, shapes as for :func:`preprocess`
    generator : torch.Generator on the images' device, optional
        Source of the random numbers; the same state gives the same result. Default: torch's global generator.

    Returns
    -------
    float32 tensor on the same device, shape (n, 1, 28, 28)
        Zeros and ones. Pixels of value 0 and 255 are certain.
    """
    return preprocess(images).bernoulli(generator=generator)


def from_drawing(canvas: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a drawn digit in MNIST's format: cropped, scaled and centred as LeCun et al. (1998) did.

    The ink is cropped, its longer side is scaled to 20 pixels by averaging areas (the shape is kept), and the result is
    moved by whole pixels until its centre of mass lies at pixel (14, 14) of 28 x 28, but never past the edge. An
    image that is in this format already comes back unchanged. ``pages/_ui/runtime/drawing.js`` does the same in the
    browser, and a test holds the two together.

    Parameters
    ----------
    canvas : array of numbers 0 to 255 or of bool, shape (height, width), (height, width, 3) or (height, width, 4)
        Grey or RGB: bright ink on black. RGBA: where the alpha channel varies, alpha is the ink and the colour does
        not matter (a transparent canvas); where it does not, brightness is, as for RGB.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        Ready for :func:`preprocess`.

    Raises
    ------
    DataError
        If the canvas is blank, has another shape, or holds values that are not finite or not in 0 to 255.
    """
    ink = _ink(canvas)
    blank = DataError("there is nothing on the canvas", "Draw a digit with bright ink on black, values 0 to 255")
    if ink.max() < FAINTEST:
        raise blank
    rows, columns = np.flatnonzero((ink >= 1).any(axis=1)), np.flatnonzero((ink >= 1).any(axis=0))
    small = _fit(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    if not small.any():  # a few lone pixels far apart on a large canvas
        raise blank
    height, width = small.shape
    top, left = _offset(small.sum(axis=1)), _offset(small.sum(axis=0))
    drawn = np.zeros((SIDE, SIDE), dtype=np.uint8)
    drawn[top : top + height, left : left + width] = small
    return drawn


def _ink(canvas: NDArray[Any]) -> NDArray[np.float32]:
    """Return the amount of ink, 0 to 255, shape (height, width)."""
    values = np.asarray(canvas)
    if values.ndim not in (2, 3) or values.size == 0 or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise DataError(
            f"the drawing has shape {values.shape}", "Pass (height, width), (height, width, 3) or (height, width, 4)"
        )
    if values.dtype.kind not in "buif":
        raise DataError(f"the drawing has type {values.dtype}", "Pass whole or real numbers from 0 to 255")
    if not np.all((values >= 0) & (values <= FULL_INK)):  # NaN fails both
        raise DataError("the drawing holds values that are not between 0 and 255", "Pass finite values from 0 to 255")
    values = values.astype(np.float32) * (FULL_INK if values.dtype.kind == "b" else 1)
    if values.ndim == 2:
        return values
    if values.shape[2] == 4 and np.ptp(values[:, :, 3]) > 0:
        return values[:, :, 3]
    # ITU-R 601 luma, the weights that PIL uses for grey; a uniform alpha dims all of it
    brightness = values[:, :, :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return brightness * (values[0, 0, 3] / FULL_INK if values.shape[2] == 4 else 1)


def _fit(ink: NDArray[np.float32]) -> NDArray[np.int64]:
    """Scale so that the longer side is 20 pixels, averaging areas; a thin stroke keeps at least one pixel.

    Whole grey levels: their sums, and so the shift, are exact, and the same in the browser.
    """
    height, width = ink.shape
    longer = max(height, width)
    size = (max(1, round(width * BOX_SIDE / longer)), max(1, round(height * BOX_SIDE / longer)))
    small = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
    levels: NDArray[np.int64] = np.rint(small).clip(0, FULL_INK).astype(np.int64)
    return levels


def _offset(mass: NDArray[np.int64]) -> int:
    """Return where a box with this ink per row (or column) starts so that its centre of mass lies at ``CENTRE``."""
    centre = int(mass @ np.arange(len(mass))) / int(mass.sum())
    return min(max(round(CENTRE - centre), 0), SIDE - len(mass))
