"""Subsets: the same places every time, spread evenly or first of their class."""

from __future__ import annotations

import numpy as np
import pytest

from core.data import DATASETS
from core.data.subsets import every, first_of_each, one_of_each

LABELS = np.array([3, 1, 3, 0, 1, 0, 3])


@pytest.mark.parametrize(("n", "wanted", "expected"), [(5, 9, 5), (9, 3, 3), (1, 4, 1), (2000, 2000, 2000), (0, 3, 0)])
def test_places_are_spread_evenly(n: int, wanted: int, expected: int):
    places = every(n, wanted)
    assert len(places) == expected
    assert (np.diff(places) >= n // max(wanted, 1)).all()
    assert n == 0 or (places[0] == 0 and places[-1] < n)


def test_the_first_of_each_class():
    assert one_of_each(LABELS).tolist() == [3, 1, 0]  # by class
    assert first_of_each(LABELS, 1).tolist() == [0, 1, 3]  # by place
    assert first_of_each(LABELS, 2).tolist() == [0, 1, 2, 3, 4, 5]


def test_held_out_figures_are_of_test_images_where_there_are_some():
    assert {name: info.held_out_split for name, info in DATASETS.items()} == {
        "mnist": "test",
        "mnist-5k": "validation",
        "fashion-mnist": "test",
    }
