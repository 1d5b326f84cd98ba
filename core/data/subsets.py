"""Subsets that anyone can name: every n-th image, the first of each class. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def every(n: int, wanted: int) -> NDArray[np.int64]:
    """Return ``wanted`` places spread evenly over ``n`` (all of them if fewer): a subset that anyone can name."""
    wanted = min(n, wanted)
    return np.arange(wanted, dtype=np.int64) * n // wanted


def one_of_each(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of the first image of each class, by class."""
    return np.array([int(np.flatnonzero(labels == c)[0]) for c in np.unique(labels)], dtype=np.int64)


def first_of_each(labels: NDArray[np.int64], per_class: int) -> NDArray[np.int64]:
    """Return the places of the first images of each class, rising."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)]))
