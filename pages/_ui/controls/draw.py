"""A canvas to draw on: white ink on black, brush size, undo, clear. Our own component, no third-party one.

The browser keeps the strokes; Python gets the finished picture after each one, as a PNG in a data URL, and returns it
as an array that ``core.data.from_drawing`` turns into an image of 28 x 28 pixels.
"""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.errors import DataError

PREFIX = "data:image/png;base64,"
MOST_CHARACTERS = 2_000_000  # the picture comes from a browser: a canvas of 1,000 pixels drawn full stays well below
_HERE = Path(__file__).parent

_canvas = st.components.v2.component(
    "epoch_atlas.draw",
    **{kind: (_HERE / f"draw.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")},
)


def draw(*, key: str, label: str, size: int = 280, brush: int = 22) -> NDArray[np.uint8] | None:
    """Show a canvas and return what is drawn on it.

    Parameters
    ----------
    key
        Key of the component; its drawing lives in ``st.session_state[key]``.
    label
        What the canvas is for, read out by screen readers.
    size
        Side of the canvas in pixels; it shrinks to fit a narrow column, the picture does not.
    brush
        Width of the brush at first, in pixels of the picture. MNIST's strokes are about a twelfth of the side.

    Returns
    -------
    ndarray of uint8, shape (size, size, 4), or None
        RGBA, white ink on opaque black; None where nothing is drawn.

    Raises
    ------
    DataError
        If the browser sends something that is no such picture.
    """
    held = st.session_state.get(key) or {}
    result = _canvas(
        key=key,
        data={"size": size, "brush": brush, "label": label, "image": held.get("image") or ""},
        on_image_change=lambda: None,  # declares the state, so that the result always has it
    )
    return decode(result.image, size) if result.image else None


def decode(url: object, size: int) -> NDArray[np.uint8]:
    """Return the RGBA picture in a PNG data URL; DataError if it is none or has another size."""
    refusal = DataError("the drawing did not arrive whole", "Clear the canvas and draw again")
    if not isinstance(url, str) or not url.startswith(PREFIX) or len(url) > MOST_CHARACTERS:
        raise refusal
    try:
        with Image.open(io.BytesIO(base64.b64decode(url[len(PREFIX) :], validate=True)), formats=["PNG"]) as picture:
            if picture.size != (size, size):  # read from the header, before any pixel is unpacked
                raise refusal
            return np.asarray(picture.convert("RGBA"))
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise refusal from None
