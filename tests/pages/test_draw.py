"""The drawing canvas: what arrives from a browser is decoded or refused."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.errors import DataError
from pages._ui.controls.draw import PREFIX, decode


def data_url(pixels, mode="RGBA", form="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode=None).convert(mode).save(buffer, format=form)
    return PREFIX + base64.b64encode(buffer.getvalue()).decode()


def test_a_picture_comes_back_pixel_for_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 4), dtype=np.uint8)
    np.testing.assert_array_equal(decode(data_url(pixels), 40), pixels)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        17,
        "",
        "data:image/svg+xml;base64,AAAA",
        PREFIX + "not base64 at all!",
        PREFIX + base64.b64encode(b"no picture").decode(),
        PREFIX + "A" * 3_000_000,
        data_url(np.zeros((40, 40, 3), np.uint8), "RGB", "BMP"),
        data_url(np.zeros((41, 40, 3), np.uint8), "RGB"),
        data_url(np.zeros((40, 40, 4), np.uint8))[:60],
    ],
    ids=["none", "number", "empty", "svg", "no-base64", "no-picture", "too-long", "bmp", "wrong-size", "cut-off"],
)
def test_what_is_no_such_picture_is_refused_with_a_remedy(sent):
    with pytest.raises(DataError, match="draw again"):
        decode(sent, 40)


def test_an_untouched_canvas_gives_nothing():
    def script():
        import streamlit as st

        from pages._ui.controls.draw import draw

        st.text(f"drawing: {draw(key='pad', label='Draw a digit')}")

    app = AppTest.from_function(script).run()
    assert not app.exception
    assert app.text[0].value == "drawing: None"
