"""Pixel-exact image grids: one composed picture, nearest neighbour, integer scale, labels outside."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import DataError
from core.runs.grids import compose
from pages._ui.show import downloads

Picture = Image.Image | np.ndarray


def to_image(picture: Picture) -> Image.Image:
    """Return a picture as a greyscale or RGB image.

    Arrays are uint8 of shape (height, width[, 3]), or (rows, columns, height, width[, 3]) to be composed.
    """
    if isinstance(picture, Image.Image):
        return picture if picture.mode in {"L", "RGB"} else picture.convert("RGB")
    array = np.asarray(picture)
    if array.dtype != np.uint8:
        raise DataError(f"a grid of {array.dtype} was given", "Give uint8, see core.runs.grids.to_uint8")
    if array.ndim == 5 or (array.ndim == 4 and array.shape[-1] != 3):
        array = compose(array)
    if array.ndim == 4:
        raise DataError(f"a grid of shape {array.shape} was given", "Give (rows, columns, height, width[, 3])")
    return Image.fromarray(array)


def png(image: Image.Image, scale: int = 1) -> bytes:
    """Return the image as PNG, enlarged by a whole number without blur."""
    return _encoded(image.mode, image.size, image.tobytes(), scale)


@lru_cache(maxsize=128)  # of a hundred kilobytes each; encoding takes ten times as long as finding it again
def _encoded(mode: str, size: tuple[int, int], pixels: bytes, scale: int) -> bytes:
    image = Image.frombytes(mode, size, pixels)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def data_url(image: Image.Image) -> str:
    """Return the image as a PNG in a data URL."""
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


def _rules(name: str, width: int, scale: int, label_px: int) -> str:
    """CSS that takes the largest whole scale that fits; below scale 1 the grid scrolls."""
    steps = [f"#{name} .px {{ width: {width}px; }}"]
    steps += [
        f"@container {name} (min-width: {width * k + label_px}px) {{ #{name} .px {{ width: {width * k}px; }} }}"
        for k in range(2, scale + 1)
    ]
    return "\n".join(steps)


STYLE = """
#{id}-box {{ container: {id} / inline-size; }}
#{id} {{ margin: 0; overflow-x: auto; overflow-y: hidden; }}
#{id} .in {{ display: inline-grid; grid-template-columns: auto auto; gap: 4px 8px; }}
#{id} .px {{ display: block; max-width: none; height: auto; image-rendering: pixelated; border-radius: 0; }}
#{id} .cols {{ grid-column: 2; display: grid; grid-template-columns: repeat({columns}, 1fr); text-align: center; }}
#{id} .rows {{ grid-column: 1; display: grid; grid-template-rows: repeat({rows}, 1fr); align-items: center; }}
#{id} .rows, #{id} .cols {{ font-size: 0.8rem; line-height: 1.1; opacity: 0.8; white-space: nowrap; }}
#{id} .rows {{ text-align: right; }}
#{id} .pic {{ grid-column: 2; }}
#{id} figcaption {{ font-size: 0.8rem; opacity: 0.75; padding-top: 4px; }}
"""


def _spans(labels: Sequence[object]) -> str:
    return "".join(f"<span>{html.escape(str(one))}</span>" for one in labels)


def grid_html(
    image: Image.Image,
    *,
    name: str,
    alt: str,
    scale: int = 3,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    caption: str | None = None,
) -> str:
    """Return the HTML of a grid; pure, so that it can be tested without Streamlit."""
    rows, columns = list(row_labels or ()), list(column_labels or ())
    label_px = 16 + round(6.5 * max((len(str(one)) for one in rows), default=0)) if rows else 0
    style = STYLE.format(id=name, columns=max(len(columns), 1), rows=max(len(rows), 1))
    parts = [
        f"<style>{style}{_rules(name, image.width, scale, label_px)}</style>",
        f'<div id="{name}-box"><figure id="{name}"><div class="in">',
        f'<div class="cols">{_spans(columns)}</div>' if columns else "",
        f'<div class="rows">{_spans(rows)}</div>' if rows else "",
        f'<div class="pic"><img class="px" alt="{html.escape(alt, quote=True)}" ',
        f'src="{data_url(image)}"></div>',
        "</div>",
        f"<figcaption>{html.escape(caption)}</figcaption>" if caption else "",
        "</figure></div>",
    ]
    return "".join(parts)


def image_grid(
    picture: Picture,
    *,
    key: str,
    alt: str,
    scale: int = 3,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    caption: str | None = None,
) -> None:
    """Show a grid of small images pixel for pixel, with a PNG download.

    Parameters
    ----------
    picture
        A composed image (``Run.sample``), or uint8 of shape (rows, columns, height, width[, 3]).
    key
        Unique on the page.
    alt
        What the picture shows, for those who do not see it.
    scale
        Largest enlargement; a narrow screen takes a smaller whole number.
    row_labels, column_labels
        Texts outside the picture, one per row and column of equal size.
    caption
        One line below.
    """
    image = to_image(picture)
    name = "g" + hashlib.sha256(key.encode()).hexdigest()[:10]
    st.html(
        grid_html(
            image,
            name=name,
            alt=alt,
            scale=scale,
            row_labels=row_labels,
            column_labels=column_labels,
            caption=caption,
        )
    )
    downloads.png(lambda: png(image, scale), key, f"Download this grid as PNG, enlarged {scale} times")
