"""Grids are composed pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.grids import GAP_GREY, compose, to_uint8


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    gap=st.integers(0, 3),
    colours=st.booleans(),
)
def test_every_pixel_is_where_it_belongs(rows: int, columns: int, height: int, width: int, gap: int, colours: bool):
    shape = (rows, columns, height, width) + ((3,) if colours else ())
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    before = images.copy()
    sheet = compose(images, gap)
    assert sheet.shape[:2] == (rows * (height + gap) - gap, columns * (width + gap) - gap)
    covered = np.zeros(sheet.shape[:2], bool)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            place = (slice(top, top + height), slice(left, left + width))
            assert np.array_equal(sheet[place], images[row, column])
            covered[place] = True
    assert (sheet[~covered] == GAP_GREY).all()
    assert np.array_equal(images, before)


def test_what_is_no_grid_is_refused():
    for odd in (np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 4, 5), np.float32)):
        with pytest.raises(ValueError, match="expected uint8 of shape"):
            compose(odd)


def test_levels():
    values = np.array([0.0, 1.0, 0.5, 1 / 255, 0.5 / 255 + 1e-6, -3.0, 7.0, np.nan, np.inf, -np.inf])
    assert to_uint8(values).tolist() == [0, 255, 128, 1, 1, 0, 255, 0, 255, 0]
    assert to_uint8(np.arange(256) / 255).tolist() == list(range(256))
