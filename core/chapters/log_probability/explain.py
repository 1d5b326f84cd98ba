"""Why are some images more probable than others? Measures of an image, and how log p(x) goes with them.

Pure numpy and pandas, except the neighbour search, which is a large matrix product and uses torch.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import ConfigError, DataError


def ink(x: Tensor) -> Tensor:
    """Return the share of full ink of each image, shape (n,): the mean of its pixels in [0, 1]."""
    return x.mean(1)


def neighbour_distances(x: Tensor, reference: Tensor, k: int, chunk: int = 1000) -> Tensor:
    """Return the Euclidean distances to the k nearest reference points, rising, shape (n, k), float64.

    Points at distance 0 (the image itself, when it is among the references) are passed over.
    """
    if not 1 <= k < len(reference):
        raise ConfigError(f"k = {k} neighbours of {len(reference)} points", "Choose k below the number of points")
    reference = reference.double()
    norms = reference.square().sum(1)
    found = []
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk].double()
        own = part.square().sum(1)[:, None]
        squared = own + norms - 2 * part @ reference.T
        # |a|^2 + |b|^2 - 2ab leaves rounding where a = b, far below the distance of any two distinct images.
        squared = torch.where(squared <= 1e-10 * own, torch.inf, squared)
        found.append(squared.topk(k, dim=1, largest=False).values.sqrt())
    return torch.cat(found)


def intrinsic_dimension(distances: Tensor) -> Tensor:
    """Return the local intrinsic dimension around each point, shape (n,), from its neighbour distances (n, k).

    The maximum-likelihood estimate of Levina and Bickel (NIPS 2004, eq. 8): the inverse of the mean of
    ``log(T_k / T_j)`` over the k - 1 nearer neighbours.
    """
    k = distances.shape[1]
    if k < 3:
        raise ConfigError(f"{k} neighbours give no dimension", "Use at least 3")
    return 1 / (distances[:, -1:] / distances[:, :-1]).log().mean(1)


def _pearson(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else math.nan


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> dict[str, float]:
    """Return Pearson's r with its 95 % interval (Fisher's z), Spearman's rho, and n.

    NaN where one side does not vary. The interval is NaN below 4 points.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise DataError(f"shapes {a.shape} and {b.shape} do not correlate", "Give two equally long lists")
    r = _pearson(a, b)
    rho = _pearson(pd.Series(a).rank().to_numpy(), pd.Series(b).rank().to_numpy())
    half = 1.959964 / math.sqrt(len(a) - 3) if len(a) > 3 else math.nan
    z = math.atanh(max(-1 + 1e-15, min(1 - 1e-15, r)))
    return {"pearson": r, "low": math.tanh(z - half), "high": math.tanh(z + half), "spearman": rho, "n": len(a)}


def explained_share(target: NDArray[np.floating], factors: NDArray[np.floating]) -> float:
    """Return R squared of the least-squares fit of ``target`` (n,) on ``factors`` (n, m) and a constant."""
    design = np.column_stack([np.ones(len(target)), factors])
    coefficients, *_ = np.linalg.lstsq(design, target, rcond=None)
    residual = target - design @ coefficients
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - residual @ residual / total) if total > 0 else math.nan


def correlation_table(frame: pd.DataFrame, target: str, factors: dict[str, str]) -> pd.DataFrame:
    """Correlate ``target`` with each factor three ways: over all images, between digits, within digits.

    Parameters
    ----------
    frame
        One row per image, with ``label``, the target and the factors as columns.
    target
        Column to explain.
    factors
        Column to its name in words.

    Returns
    -------
    pandas.DataFrame
        Columns factor, scope, pearson, low, high, spearman, n. ``between digits`` correlates the means per digit;
        ``within digits`` what is left of both after each digit's mean is taken off.
    """
    means = frame.groupby("label")[[target, *factors]].transform("mean")
    rest = frame[[target, *factors]] - means
    per_digit = frame.groupby("label")[[target, *factors]].mean()
    scopes = {"all images": frame, "between digits": per_digit, "within digits": rest}
    rows = [
        {"factor": words, "scope": scope, **correlation(part[target].to_numpy(), part[column].to_numpy())}
        for column, words in factors.items()
        for scope, part in scopes.items()
    ]
    return pd.DataFrame(rows)


def matched_difference(frame: pd.DataFrame, target: str, factor: str, label: int, bins: int = 10) -> dict[str, float]:
    """Return by how much one digit's target exceeds the other digits' at equal ``factor``.

    The digit's images are cut into bins of equal count by the factor; in each bin the other digits' images of
    the same range are compared, and the differences are averaged over the bins that hold both.

    Returns
    -------
    dict
        ``raw`` difference of the means, ``matched`` difference at equal factor, ``share`` of the digit's images in
        bins that were compared. NaN where nothing is comparable.
    """
    own = frame[frame["label"] == label]
    others = frame[frame["label"] != label]
    if own.empty or others.empty:
        return {"raw": math.nan, "matched": math.nan, "share": 0.0}
    edges = np.unique(np.quantile(own[factor], np.linspace(0, 1, bins + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    own_bin = np.searchsorted(edges, own[factor], side="right")
    other_bin = np.searchsorted(edges, others[factor], side="right")
    difference = weight = 0.0
    for one in range(1, len(edges)):
        here, there = own[target][own_bin == one], others[target][other_bin == one]
        if len(here) and len(there):
            difference += len(here) * float(here.mean() - there.mean())
            weight += len(here)
    raw = float(own[target].mean() - others[target].mean())
    return {"raw": raw, "matched": difference / weight if weight else math.nan, "share": weight / len(own)}
