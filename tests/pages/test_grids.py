"""Image grids: pixel for pixel, whole scales only, labels outside, harmless text."""

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import DataError
from core.runs.grids import compose
from pages._ui.show.gallery import gallery_html
from pages._ui.show.grids import grid_html, halves_of, png, to_image


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(0, 2**32 - 1), st.booleans())
def test_enlarging_repeats_pixels_and_nothing_else(scale, seed, colour):
    shape = (5, 7, 3) if colour else (5, 7)
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    expected = array.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_array_equal(pixels(png(to_image(array), scale)), expected)


def test_small_images_are_composed_and_sheets_are_taken_as_they_are():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(np.asarray(to_image(images)), compose(images))
    sheet = np.zeros((6, 8, 3), np.uint8)
    assert to_image(sheet).mode == "RGB"
    assert to_image(Image.new("L", (3, 2))).size == (3, 2)
    assert to_image(Image.new("P", (3, 2))).mode == "RGB"


@pytest.mark.parametrize("picture", [np.zeros((2, 2)), np.zeros((2, 2, 4, 4), float), np.zeros((2, 2, 2, 3), np.uint8)])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(DataError, match="was given"):
        to_image(picture)


def steps(text, variable="k"):
    """Return (scale, width from which it is taken) of a grid's rules; the first has no such width."""
    found = re.findall(rf"(?:min-width: (\d+)px\) \{{ )?#\w+ \{{ --{variable}: (\d+)", text)
    return [(int(scale), int(width or 0)) for width, scale in found]


def test_the_page_takes_the_largest_whole_scale_that_fits():
    text = grid_html(Image.new("L", (100, 50)), name="g1", alt="x", scale=3)
    assert steps(text) == [(1, 0), (2, 200), (3, 300)]
    assert "image-rendering: pixelated" in text


def test_labels_stand_outside_one_per_row_and_column():
    image = Image.new("L", (100, 50))
    text = grid_html(image, name="g1", alt="x", scale=2, row_labels=["a", "b"], column_labels=range(10))
    assert "repeat(10, 1fr)" in text
    assert "repeat(2, 1fr)" in text
    assert text.count("<span>") == 12
    assert steps(text)[1][1] > 200  # the row labels need room of their own


@pytest.mark.parametrize(
    ("width", "height", "halves"),
    [(298, 28, [(0, 148), (150, 148)]), (208, 28, [(0, 118), (120, 88)]), (148, 28, []), (298, 58, []), (300, 28, [])],
)
def test_a_row_of_many_images_has_two_halves_for_a_phone(width, height, halves):
    assert halves_of(width, height) == halves
    text = grid_html(Image.new("L", (width, height)), name="g1", alt="x", scale=3)
    assert text.count('class="in half"') == len(halves)
    assert steps(text, "h") == ([(1, 0), *((k, k * halves[0][1]) for k in (2, 3))] if halves else [])


def test_rows_that_belong_together_are_halved_when_told_so():
    text = grid_html(Image.new("L", (298, 58)), name="g1", alt="x", column_labels=range(10), halves=True)
    assert re.findall(r"--left: (\d+); --columns: (\d+)", text) == [("0", "148"), ("150", "148")]
    assert text.count("repeat(5, 1fr)") == 2


@pytest.mark.parametrize(("images", "rows"), [(5, {5}), (6, {5, 10}), (30, {5, 10})])
def test_a_gallery_has_ten_images_a_row_or_five(images, rows):
    text = gallery_html(np.zeros((images, 28, 28), np.uint8), ["x"] * images, name="y1", alt="x", scale=3)
    found = [[int(n) for n in one] for one in re.findall(r"min-width: (\d+)px\) { #y1 { --k: (\d); --row: (\d+)", text)]
    assert {row for *_, row in found} == rows
    assert all(width == row * (28 * k + 6) - 6 for width, k, row in found)


def test_text_is_never_markup():
    hostile = '"><script>alert(1)</script>'
    text = grid_html(Image.new("L", (1, 1)), name="g1", alt=hostile, row_labels=[hostile], caption=hostile)
    assert "<script>" not in text
