"""A pad to draw on: white ink on black, brush size, undo, clear. Our own component, no third-party one.

The strokes are the drawing. The browser sends them after each one; the picture is made from them here, so that nothing
depends on reading a canvas back, which browsers that protect against fingerprinting answer with noise. The session
keeps them for the next visit to the page, and the browser's tab for a refresh.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.data.drawing import CANVAS, MOST_POINTS, MOST_STROKES, parse_strokes, rasterise

_HERE = Path(__file__).parent

_pad = st.components.v2.component(
    "epoch_atlas.draw",
    **{kind: (_HERE / f"draw.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")},
)


def draw(*, key: str, label: str, brush: int = 22) -> NDArray[np.uint8] | None:
    """Show a pad and return what is drawn on it.

    Parameters
    ----------
    key
        Key of the component; the drawing is kept in the session under it, for later visits to the page.
    label
        What the pad is for, read out by screen readers.
    brush
        Width of the brush at first, in units of which the side has 280. MNIST's strokes are about a twelfth of it.

    Returns
    -------
    ndarray of uint8, shape (280, 280), or None
        Ink, 0 to 255, for :func:`core.data.from_drawing`; None where nothing is drawn.

    Raises
    ------
    DataError
        If the browser sends something that is no list of strokes; the pad is then empty.
    """
    kept = f"_{key}_strokes"
    limits = {"strokes": MOST_STROKES, "points": MOST_POINTS}
    result = _pad(
        key=key,
        data={
            "size": int(CANVAS),
            "brush": brush,
            "label": label,
            "limits": limits,
            "shelf": f"epoch-atlas:{key}",
            "strokes": st.session_state.get(kept, []),
            "first": kept not in st.session_state,  # of this session: a cleared pad stays clear
        },
        on_strokes_change=lambda: None,  # declares the state, so that the result always has it
    )
    if result.strokes is not None:
        st.session_state[kept] = []
        st.session_state[kept] = _plain(result.strokes)
    said: list[dict[str, Any]] = st.session_state.get(kept, [])
    return rasterise(parse_strokes(said)) if said else None


def _plain(sent: object) -> list[dict[str, Any]]:
    """Return what the browser sent as checked, plain data; DataError if it is no drawing."""
    return [{"width": one.width, "points": [list(point) for point in one.points]} for one in parse_strokes(sent)]
