"""A gallery: small images that wrap like words, each with a line of text below it.

One composed picture serves them all: every cell shows its part of it, enlarged by a whole number and never blurred.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.errors import DataError
from core.runs.grids import GAP
from pages._ui.show import downloads
from pages._ui.show.grids import png, to_image

PER_ROW = 8  # of the composed picture, which is also what is downloaded
WIDE, NARROW = 10, 5  # images in a row, on a desktop and on a phone
SPACE = 6  # px between two images

STYLE = """
#{id}-box {{ container: {id} / inline-size; }}
#{id} {{
  --k: 1; --side: calc(var(--k) * {side}px); display: flex; flex-wrap: wrap; gap: 8px 6px; margin: 0; padding: 0;
  list-style: none; max-width: calc(var(--row) * (var(--side) + 6px)); --row: {narrow};
}}
#{id} li {{ margin: 0; padding: 0; width: var(--side); }}
#{id} .px {{
  width: var(--side); height: var(--side); background-image: url(data:image/png;base64,{source});
  background-position: calc(var(--k) * var(--x) * -1px) calc(var(--k) * var(--y) * -1px);
  background-size: calc(var(--k) * {width}px) auto; background-repeat: no-repeat; image-rendering: pixelated;
}}
#{id} .tx {{ font-size: 0.78rem; line-height: 1.2; padding-top: 3px; text-align: center; overflow-wrap: anywhere; }}
"""


def rules(name: str, side: int, scale: int, images: int) -> str:
    """CSS that takes the largest whole scale at which a row of ten fits, or where that is small, a row of five."""
    rows = [(row, k) for row in (NARROW, WIDE) if row == NARROW or images > NARROW for k in range(2, scale + 1)]
    return "\n".join(
        f"@container {name} (min-width: {row * (side * k + SPACE) - SPACE}px) "
        f"{{ #{name} {{ --k: {k}; --row: {row}; }} }}"
        for row, k in rows
    )


def sheet(images: NDArray[np.uint8], per_row: int = PER_ROW) -> NDArray[np.uint8]:
    """Return images as rows of ``per_row``, the last one filled up with black: (rows, per_row, height, width)."""
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) == 0:
        raise DataError(f"a gallery of {images.dtype} {images.shape} was given", "Give uint8 (n, height, width), n > 0")
    columns = min(per_row, len(images))
    rows = -(-len(images) // columns)
    full = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    full[: len(images)] = images
    return full.reshape(rows, columns, *images.shape[1:])


def gallery_html(images: NDArray[np.uint8], texts: Sequence[str], *, name: str, alt: str, scale: int = 3) -> str:
    """Return the HTML of a gallery; pure, so that it can be tested without Streamlit."""
    if len(images) != len(texts):
        raise DataError(f"{len(images)} images and {len(texts)} texts do not go together", "Give one text per image")
    cells = sheet(images)
    picture = to_image(cells)
    side, columns = images.shape[-1], cells.shape[1]
    style = STYLE.format(
        id=name,
        side=side,
        narrow=NARROW,
        width=picture.width,
        source=base64.b64encode(png(picture)).decode(),
    )
    items = []
    for place, text in enumerate(texts):
        row, column = divmod(place, columns)
        place_of = f"--x: {column * (side + GAP)}; --y: {row * (side + GAP)}"
        said = html.escape(text, quote=True)
        items.append(
            f'<li><div class="px" role="img" aria-label="{said}" style="{place_of}"></div>'
            f'<div class="tx">{said}</div></li>'
        )
    style += rules(name, side, scale, len(images))
    said = html.escape(alt, quote=True)
    return f'<style>{style}</style><div id="{name}-box"><ul id="{name}" aria-label="{said}">{"".join(items)}</ul></div>'


def gallery(images: NDArray[np.uint8], texts: Sequence[str], *, key: str, alt: str, scale: int = 3) -> None:
    """Show images with a line of text each, with a PNG download of the composed picture.

    Parameters
    ----------
    images
        uint8, shape (n, height, width), n > 0.
    texts
        One line per image.
    key
        Unique on the page.
    alt
        What the gallery shows.
    scale
        Largest enlargement, a whole number; a narrow card takes a smaller one.
    """
    name = "y" + hashlib.sha256(key.encode()).hexdigest()[:10]
    st.html(gallery_html(images, texts, name=name, alt=alt, scale=scale))
    downloads.png(
        lambda: png(to_image(sheet(images)), scale), key, f"Download these images as one PNG, enlarged {scale} times"
    )
