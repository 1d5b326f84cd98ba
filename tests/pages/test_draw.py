"""The drawing pad: the strokes are the drawing, checked, made a picture and kept."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.drawing import parse_strokes, rasterise
from core.data.images import from_drawing
from core.errors import DataError
from pages._ui.controls import draw as draw_module
from pages._ui.controls.draw import _plain

SEVEN = [{"width": 22, "points": [[80, 60], [200, 60], [120, 230]]}]


def script():
    import streamlit as st

    from pages._ui.controls.draw import draw

    ink = draw(key="pad", label="Draw a digit")
    st.text("nothing" if ink is None else f"{ink.shape} {int(ink.sum())}")


def test_an_untouched_pad_gives_nothing():
    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.text[0].value == "nothing"


def test_a_drawing_that_the_session_kept_is_there_again():
    app = AppTest.from_function(script)
    app.session_state["_pad_strokes"] = SEVEN
    app.run()
    assert not app.exception
    assert app.text[0].value == f"(280, 280) {int(rasterise(parse_strokes(SEVEN)).sum())}"


@pytest.mark.parametrize(
    "sent",
    [
        17,
        "data:image/png;base64,AAAA",
        [{"width": 22}],
        [{"width": float("nan"), "points": [[1, 2]]}],
        [{"width": 22, "points": [[1, "2"]]}],
        [{"width": 22, "points": []}],
        [{"width": 22, "points": [[1e9, 2]]}],
        [{"width": 22, "points": [[1, 2]] * 6_000}],
        [{"width": 22, "points": [[1, 2]]}] * 300,
    ],
)
def test_what_is_no_drawing_is_refused_with_a_remedy(sent):
    with pytest.raises(DataError, match="draw again"):
        _plain(sent)


def test_what_is_kept_is_plain_and_the_same_drawing():
    kept = _plain(SEVEN)
    assert kept == SEVEN
    assert parse_strokes(kept) == parse_strokes(SEVEN)


def test_a_tap_is_a_dot():
    digit = from_drawing(rasterise(parse_strokes([{"width": 22, "points": [[140, 140]]}])))
    assert digit.max() == 255
    assert (digit > 0).sum() > 200  # a disc of 20 pixels across


def test_no_component_reads_a_canvas_back():
    """Browsers that protect against fingerprinting answer with noise, so nothing may depend on it."""
    root = Path(draw_module.__file__).parents[2]
    sources = list(root.joinpath("_ui").rglob("*.js"))
    assert sources
    for source in sources:
        text = source.read_text(encoding="utf-8")
        found = [name for name in ("toDataURL", "toBlob", "getImageData") if name in text]
        assert found == [], source.name
