"""The film: what a training drew, epoch by epoch, played and scrubbed in the browser.

All frames are sent once, packed together as the PNG files they are, and decoded in the browser; which epoch is shown,
the page's epoch bar (:mod:`pages._ui.controls.epoch_bar`) tells every film on the page without asking the server.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import DataError
from core.runs.grids import GAP, compose, stack
from core.story import Pictured
from pages._ui.show import downloads, grids, packing, transport
from pages._ui.show.grids import CELL, SAVED_SCALE, SCALE

FRAME_MS, LAST_MS = 200, 2000  # how long a frame of the downloaded film stands, and its last one
_HERE = Path(__file__).parent

_film = st.components.v2.component(
    "epoch_atlas.film",
    html=(_HERE / "film.html").read_text(encoding="utf-8") + "\n",
    css=(_HERE / "film.css").read_text(encoding="utf-8"),
    js=transport.SHARED_JS + packing.JS + (_HERE / "film.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Strip:
    """Composed pictures by epoch, as PNG files; ``fixed`` ones stand still (``frames`` then has one, of epoch 0)."""

    frames: Mapping[int, bytes]
    label: str = ""
    fixed: bool = False

    def at(self, epoch: int) -> bytes:
        """Return the last frame at or before an epoch, the first one before there is any."""
        return self.frames[max((one for one in self.frames if one <= epoch), default=min(self.frames))]


@dataclass(frozen=True)
class Track:
    """Strips of one size below each other.

    ``alt`` says what they show ("Ten decoded draws"; the film adds "after epoch 3"); ``heads`` are the columns' labels.
    Tracks stand below each other, or beside each other where all of them say so.
    """

    strips: Sequence[Strip]
    alt: str
    title: str = ""
    heads: Sequence[str] = ()
    beside: bool = False

    def size(self) -> tuple[int, int]:
        """Return width and height of a strip; DataError if they differ, or are no whole number of images."""
        sizes = {_size(png) for strip in self.strips for png in strip.frames.values()}
        if len(sizes) != 1:
            raise DataError(f"pictures of sizes {sorted(sizes)} do not make one film", "Give strips of one size")
        (width, height) = sizes.pop()
        if (width + GAP) % (CELL + GAP) or (height + GAP) % (CELL + GAP):
            raise DataError(f"a picture of {width} x {height} pixels is no grid", f"Compose images of {CELL} x {CELL}")
        return width, height

    def head(self) -> dict[str, Any]:
        """Return what the browser needs to know of the track, ready for JSON."""
        width, height = self.size()
        return {
            "alt": self.alt,
            "title": self.title,
            "heads": list(self.heads),
            "beside": self.beside,
            "cell": CELL,
            "gap": GAP,
            "columns": (width + GAP) // (CELL + GAP),
            "rows": (height + GAP) // (CELL + GAP),
            "height": height,
            "strips": [
                {
                    "label": strip.label,
                    "fixed": strip.fixed,
                    "frames": [[epoch, len(png), zlib.crc32(png)] for epoch, png in sorted(strip.frames.items())],
                }
                for strip in self.strips
            ],
        }


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:  # reads the header alone
        return image.size


@st.cache_resource(max_entries=32, show_spinner=False)
def _frames(digest: str, kind: str, _run: Pictured) -> dict[int, bytes]:
    frames = {epoch: _run.sample_png(epoch, kind) for epoch in _run.sample_epochs(kind)}
    sizes = {epoch: _size(png) for epoch, png in frames.items()}
    for epoch, size in sizes.items():
        if size != next(iter(sizes.values())):
            raise _run.broken(f"{kind}/{epoch}.png", "it is not of the size of the run's others")
    return frames


def strip(run: Pictured, kind: str, label: str = "") -> Strip | None:
    """Return a run's composed pictures of a kind, None where it has none; RunError if one does not read."""
    frames = _frames(run.digest, kind, run)
    return Strip(frames, label) if frames else None


def still(images: np.ndarray, label: str = "") -> Strip:
    """Return a strip that stands still, of uint8 images of shape (columns, height, width)."""
    return Strip({0: grids.png(grids.to_image(compose(images[None])))}, label, fixed=True)


def bundle(tracks: Sequence[Track], scale: int = SCALE) -> bytes:
    """Return what the browser gets: a head, then every frame's file in the head's order."""
    files = [png for track in tracks for one in track.strips for _, png in sorted(one.frames.items())]
    return packing.pack({"scale": scale, "tracks": [track.head() for track in tracks]}, files)


def sheet(tracks: Sequence[Track], epoch: int) -> Image.Image:
    """Return what the film shows at an epoch as one picture, pixel for pixel."""
    pictures = [np.asarray(Image.open(io.BytesIO(one.at(epoch)))) for track in tracks for one in track.strips]
    widest = max(picture.shape[1] for picture in pictures)
    padding = [((0, 0), (0, widest - one.shape[1]), *[(0, 0)] * (one.ndim - 2)) for one in pictures]
    return Image.fromarray(stack([np.pad(one, pad) for one, pad in zip(pictures, padding, strict=True)]))


def animation(tracks: Sequence[Track], scale: int = SAVED_SCALE) -> bytes:
    """Return the film as an animated GIF, every pixel enlarged by a whole number."""
    epochs = sorted({epoch for track in tracks for one in track.strips if not one.fixed for epoch in one.frames})
    sheets = [sheet(tracks, epoch) for epoch in epochs]
    first, *rest = [one.resize((one.width * scale, one.height * scale), Image.Resampling.NEAREST) for one in sheets]
    file = io.BytesIO()
    durations = [FRAME_MS] * len(rest) + [LAST_MS]
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)
    return file.getvalue()


def film(tracks: Sequence[Track], *, key: str, epoch: int, scale: int = SCALE) -> None:
    """Show the film; the page's epoch bar plays it.

    Parameters
    ----------
    tracks
        What stands under the one scrubber.
    key
        Unique on the page.
    epoch
        Where the bar rests: the picture that the download holds.
    scale
        Most that a picture is enlarged; it takes the largest whole number of the screen's pixels that fits.
    """
    _film(key=f"film-{key}", data=bundle(tracks, scale))
    help = f"Download the pictures of epoch {epoch} as PNG, enlarged {SAVED_SCALE} times"
    downloads.png(lambda: grids.png(sheet(tracks, epoch), SAVED_SCALE), key, help)
    if any(len(one.frames) > 1 for track in tracks for one in track.strips):
        downloads.gif(lambda: animation(tracks), key, "Download the film as animated GIF")
