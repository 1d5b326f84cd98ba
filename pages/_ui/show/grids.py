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
from core.runs.grids import GAP, compose
from pages._ui.show import downloads

Picture = Image.Image | np.ndarray

CELL = 28  # side of one image, in pixels
SCALE = 6  # most that a picture is enlarged, unless it says so itself
SAVED_SCALE = 3  # enlargement of what is downloaded
FOLDS_FROM = 6  # so many columns stand in two rows on a phone


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


def _rules(name: str, width: int, scale: int, label_px: int, variable: str = "k") -> str:
    """CSS that takes the largest whole scale that fits; below scale 1 the grid scrolls."""
    steps = [f"#{name} {{ --{variable}: 1; }}"]
    steps += [
        f"@container {name} (min-width: {width * k + label_px}px) {{ #{name} {{ --{variable}: {k}; }} }}"
        for k in range(2, scale + 1)
    ]
    return "\n".join(steps)


STYLE = """
#{id}-box {{ container: {id} / inline-size; }}
#{id} {{ margin: 0; overflow-x: auto; overflow-y: hidden; }}
#{id} .in {{ display: inline-grid; grid-template-columns: auto auto; gap: 4px 8px; }}
#{id} .px {{ display: block; max-width: none; image-rendering: pixelated; border-radius: 0; }}
#{id} img.px {{ width: calc(var(--k) * {width}px); height: auto; }}
#{id} .cols {{ grid-column: 2; display: grid; text-align: center; }}
#{id} .rows {{ grid-column: 1; display: grid; grid-template-rows: repeat({rows}, 1fr); align-items: center; }}
#{id} .rows, #{id} .cols {{ font-size: 0.75rem; line-height: 1.1; opacity: 0.8; white-space: nowrap; }}
#{id} .rows {{ text-align: right; }}
#{id} .pic {{ grid-column: 2; }}
#{id} figcaption {{ font-size: 0.8rem; opacity: 0.75; padding-top: 4px; }}
"""

# On a phone the left half of the columns stands above the right one.
HALVES = """
#{id} .half {{ display: none; }}
@media (max-width: 767px) {{
  #{id} .whole {{ display: none; }}
  #{id} .half {{ display: inline-grid; margin-bottom: 6px; }}
}}
#{id} .half .px {{
  width: calc(var(--h) * var(--columns) * 1px); height: calc(var(--h) * {height}px);
  background: url({source}) calc(var(--h) * var(--left) * -1px) 0 / calc(var(--h) * {width}px) no-repeat;
}}
"""


def _spans(labels: Sequence[object]) -> str:
    return "".join(f"<span>{html.escape(str(one))}</span>" for one in labels)


def _labels(rows: Sequence[object], columns: Sequence[object]) -> str:
    across = f'<div class="cols" style="grid-template-columns: repeat({len(columns)}, 1fr)">{_spans(columns)}</div>'
    return (across if columns else "") + (f'<div class="rows">{_spans(rows)}</div>' if rows else "")


def halves_of(width: int, height: int) -> list[tuple[int, int]]:
    """Return the left and right half of a composed row as (first column of pixels, width); empty for what is no row."""
    columns, rest = divmod(width + GAP, CELL + GAP)
    if rest or columns < FOLDS_FROM or height != CELL:
        return []
    return _split(columns)


def _split(columns: int) -> list[tuple[int, int]]:
    left = -(-columns // 2)
    return [(0, left * (CELL + GAP) - GAP), (left * (CELL + GAP), (columns - left) * (CELL + GAP) - GAP)]


def _half(index: int, half: tuple[int, int], rows: Sequence[object], columns: Sequence[object], alt: str) -> str:
    middle = -(-len(columns) // 2)
    named = columns[:middle] if index == 0 else columns[middle:]
    said = html.escape(f"{alt}, part {index + 1} of 2", quote=True)
    place = f"--left: {half[0]}; --columns: {half[1]}"
    return (
        f'<div class="in half">{_labels(rows, named)}<div class="pic">'
        f'<div class="px" role="img" aria-label="{said}" style="{place}"></div></div></div>'
    )


def grid_html(
    image: Image.Image,
    *,
    name: str,
    alt: str,
    scale: int = SCALE,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    caption: str | None = None,
    halves: bool = False,
) -> str:
    """Return the HTML of a grid; pure, so that it can be tested without Streamlit."""
    rows, columns = list(row_labels or ()), list(column_labels or ())
    label_px = 10 + 6 * max((len(str(one)) for one in rows), default=0) if rows else 0
    source = data_url(image)
    style = STYLE.format(id=name, rows=max(len(rows), 1), width=image.width)
    style += _rules(name, image.width, scale, label_px)
    parts_of = _split((image.width + GAP) // (CELL + GAP)) if halves else halves_of(*image.size)
    if parts_of:
        style += HALVES.format(id=name, width=image.width, height=image.height, source=source)
        style += _rules(name, parts_of[0][1], scale, label_px, "h")
    parts = [
        f'<style>{style}</style><div id="{name}-box"><figure id="{name}"><div class="in whole">',
        _labels(rows, columns),
        f'<div class="pic"><img class="px" alt="{html.escape(alt, quote=True)}" src="{source}"></div></div>',
        *(_half(index, half, rows, columns, alt) for index, half in enumerate(parts_of)),
        f"<figcaption>{html.escape(caption)}</figcaption>" if caption else "",
        "</figure></div>",
    ]
    return "".join(parts)


def image_grid(
    picture: Picture,
    *,
    key: str,
    alt: str,
    scale: int = SCALE,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    caption: str | None = None,
    halves: bool = False,
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
        Largest enlargement; the picture takes the largest whole number with which it fits its card.
    row_labels, column_labels
        Texts outside the picture, one per row and column of equal size.
    caption
        One line below.
    halves
        Whether on a phone the left half of the columns stands above the right one, as a single row's always does.
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
            halves=halves,
        )
    )
    downloads.png(lambda: png(image, SAVED_SCALE), key, f"Download this grid as PNG, enlarged {SAVED_SCALE} times")
