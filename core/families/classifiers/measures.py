"""Measures of a classifier: confusion, precision and recall, calibration. Pure functions of numpy arrays.

Conventions: ``labels`` and ``predicted`` are class indices 0 … n_classes - 1; a confusion matrix has true classes as
rows and predicted classes as columns; a confidence is the probability that the model gives to the class it predicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

N_BINS = 15  # as Guo et al. (2017) report it
Z_95 = 1.959963984540054  # standard normal deviate of a two-sided 95 % interval


@dataclass(frozen=True)
class PerClass:
    """Precision, recall and F1 of each class, float64 of shape (n_classes,); NaN where a class gives no value.

    ``precision`` is undefined for a class that is never predicted, ``recall`` for one that never occurs, ``f1`` for one
    of which neither happens. ``support`` is how often a class occurs.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    support: Counts


@dataclass(frozen=True)
class Calibration:
    """Predictions sorted into bins of equal width by their confidence; arrays of shape (n_bins,).

    Bin k holds confidences in (``low[k]``, ``high[k]``]. ``confidence`` and ``accuracy`` are means over a bin, NaN
    where it is empty.
    """

    low: Floats
    high: Floats
    count: Counts
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al. 2017, arXiv:1706.04599, eq. 3): 0 is perfect, 1 the worst.

        The mean over predictions of the distance between their bin's confidence and its accuracy.
        """
        gaps = np.nan_to_num(np.abs(self.confidence - self.accuracy))
        return float((self.count * gaps).sum() / max(1, self.count.sum()))


def log_softmax(logits: ArrayLike) -> Floats:
    """Return log probabilities along the last axis, in float64 and without overflow."""
    values = np.asarray(logits, dtype=np.float64)
    shifted = values - values.max(axis=-1, keepdims=True)
    normalised: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Return -log p(label) of each example in nats.

    Parameters
    ----------
    logits : array of shape (n, n_classes)
    labels : array of int, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
        Mean of this over examples is the loss that histories and tables call ``loss``.
    """
    log_probs, classes = log_softmax(logits), np.asarray(labels)
    if log_probs.ndim != 2 or classes.shape != log_probs.shape[:1]:
        raise ValueError(f"logits of shape {log_probs.shape} do not go with labels of shape {classes.shape}")
    chosen: Floats = -np.take_along_axis(log_probs, classes[:, None], axis=1)[:, 0]
    return chosen


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Counts:
    """Return how often each class (row) was taken for each class (column).

    Parameters
    ----------
    labels, predicted : arrays of int, shape (n,)
        Values 0 … n_classes - 1; others raise ValueError.

    Returns
    -------
    ndarray of int64, shape (n_classes, n_classes)
        Sums to n; its trace is the number of correct predictions.
    """
    true, guess = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if true.shape != guess.shape or true.ndim != 1:
        raise ValueError(f"labels of shape {true.shape} do not go with predictions of shape {guess.shape}")
    if true.size and (min(true.min(), guess.min()) < 0 or max(true.max(), guess.max()) >= n_classes):
        raise ValueError(f"a class is not one of 0 … {n_classes - 1}")
    return np.bincount(true * n_classes + guess, minlength=n_classes**2).reshape(n_classes, n_classes)


def accuracy(confusion: Counts) -> float:
    """Return the share of correct predictions of a confusion matrix; NaN if it is empty."""
    return _ratio(np.trace(confusion), confusion.sum()).item()


def per_class(confusion: Counts) -> PerClass:
    """Return precision, recall and F1 of each class from a confusion matrix of shape (n_classes, n_classes)."""
    hits, true, guessed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return PerClass(_ratio(hits, guessed), _ratio(hits, true), _ratio(2 * hits, true + guessed), true)


def calibration(confidence: ArrayLike, correct: ArrayLike, n_bins: int = N_BINS) -> Calibration:
    """Sort predictions into bins of equal width by confidence.

    Parameters
    ----------
    confidence : array of float, shape (n,)
        Probabilities in [0, 1]; others raise ValueError.
    correct : array of bool, shape (n,)
    n_bins : int

    References
    ----------
    Guo et al., On calibration of modern neural networks, arXiv:1706.04599, section 2.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.shape != right.shape or sure.ndim != 1:
        raise ValueError(f"confidences of shape {sure.shape} do not go with outcomes of shape {right.shape}")
    if sure.size and not (sure.min() >= 0 and sure.max() <= 1):
        raise ValueError("a confidence is not between 0 and 1")
    edges = np.linspace(0, 1, n_bins + 1)
    # Bins are open on the left, so that 1.0 falls into the last one; 0.0 joins the first.
    place = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, weights=values, minlength=n_bins) for values in (sure, right)]
    return Calibration(edges[:-1], edges[1:], count, _ratio(sums[0], count), _ratio(sums[1], count))


def wilson_interval(successes: ArrayLike, n: ArrayLike, z: float = Z_95) -> tuple[Floats, Floats]:
    """Return the Wilson score interval of a share: it stays in [0, 1] and is honest near both ends.

    Parameters
    ----------
    successes, n : array_like of the same shape
        Number of successes and of trials; where there are none, the interval is [0, 1].
    z : float
        Standard normal deviate; the default gives 95 %.

    References
    ----------
    Wilson (1927), JASA 22:209; Brown, Cai and DasGupta (2001), Statistical Science 16:101.
    """
    hits, trials = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    safe = np.maximum(trials, 1)
    share = hits / safe
    centre = (share + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z / (1 + z**2 / safe) * np.sqrt(share * (1 - share) / safe + (z / (2 * safe)) ** 2)
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Return numerator / denominator, NaN where the denominator is 0."""
    top, bottom = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    quotient: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return quotient
