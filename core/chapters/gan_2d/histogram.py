"""Divergences between point clouds, measured on a grid over the unit square.

Every point is counted: those outside the square fall into one bin of their own, so a histogram always
sums to 1. (GAN Lab's curves bin only the points that happen to lie inside.) Values are in nats.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BINS = 25  # odd: the modes of the grid then lie in the middle of their cells


def counts(points: ArrayLike, bins: int = BINS) -> NDArray[np.int64]:
    """Return how many points lie in each cell of a ``bins`` x ``bins`` grid, shape (bins * bins + 1,).

    Row by row from y = 0; the last entry counts the points outside [0, 1]^2 and those that are not finite.
    """
    cloud = np.asarray(points, float).reshape(-1, 2)
    inside = ((cloud >= 0) & (cloud <= 1)).all(axis=1)  # NaN compares false: it counts as outside
    cells = np.minimum((cloud[inside] * bins).astype(np.int64), bins - 1)  # the upper edge belongs to the last cell
    return np.bincount(
        np.concatenate([cells[:, 1] * bins + cells[:, 0], np.full(int((~inside).sum()), bins * bins)]),
        minlength=bins * bins + 1,
    )


def histogram(points: ArrayLike, bins: int = BINS, *, smoothing: float = 0.0) -> Array:
    """Return the share of points in each cell, shape (bins * bins + 1,), summing to 1.

    ``smoothing`` is added to every count first (0.5 is the Krichevsky-Trofimov estimate): with it no share is 0,
    and a divergence towards it stays finite.

    Raises
    ------
    ValueError
        If there is no point and no smoothing: the shares would be 0 / 0.
    """
    raw = counts(points, bins) + smoothing
    if raw.sum() == 0:
        raise ValueError("a histogram needs at least one point")
    return np.asarray(raw / raw.sum(), float)


def kl(p: ArrayLike, q: ArrayLike) -> float:
    """Return KL(p || q) = sum p log(p / q) in nats; infinite where p has mass and q has none."""
    first, second = np.asarray(p, float), np.asarray(q, float)
    there = first > 0
    if (second[there] <= 0).any():
        return math.inf
    return float((first[there] * np.log(first[there] / second[there])).sum())


def js(p: ArrayLike, q: ArrayLike) -> float:
    """Return the Jensen-Shannon divergence in nats: 0 for equal shares, log 2 for disjoint ones."""
    first, second = np.asarray(p, float), np.asarray(q, float)
    middle = (first + second) / 2
    return max(0.0, (kl(first, middle) + kl(second, middle)) / 2)
