"""Why one digit is more probable than another, by measuring: ink, intrinsic dimension, and the terms of the bound."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.chapters.log_probability.explain import (
    correlation_table,
    explained_share,
    ink,
    intrinsic_dimension,
    matched_difference,
    neighbour_distances,
)

REASONS = {"ink": "ink", "intrinsic_dimension": "intrinsic dimension"}
NEIGHBOURS = 20
BINS = 10


def measure_images(
    images: pd.DataFrame, x: Tensor, reference: Tensor, reference_labels: NDArray[np.int64]
) -> pd.DataFrame:
    """Return an image table with the columns ``ink`` and ``intrinsic_dimension``.

    Parameters
    ----------
    images
        Image table; its ``index`` says which rows of ``x`` it is about.
    x, reference
        Flat images in [0, 1]: those of the table's split, and the training images, among which neighbours of the
        same class are searched.
    """
    chosen = x[torch.tensor(images["index"].tolist())]
    dimension = np.full(len(images), np.nan)
    for label in np.unique(images["label"]):
        own = np.flatnonzero(images["label"] == label)
        among = reference[torch.from_numpy(np.flatnonzero(reference_labels == label))]
        k = min(NEIGHBOURS, len(among) - 1)
        dimension[own] = intrinsic_dimension(neighbour_distances(chosen[own], among, k)).numpy()
    return images.assign(ink=ink(chosen).double().numpy(), intrinsic_dimension=dimension)


def reasons(images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the tables that explain log p(x) of the held-out images.

    ``correlations``
        :func:`core.chapters.log_probability.explain.correlation_table` for each of ``REASONS``.
    ``explained``
        Share of the variance of log p(x) that is explained (R squared): by each reason, by both, by the digit.
    ``matched``
        Per digit, how much more probable it is than the other digits: as it is, at equal ink, at equal dimension.
    ``contributions``
        Per digit, the difference to the other digits' mean split into reconstruction, KL and slack.
    """
    target = images["log_prob"].to_numpy(dtype=float)
    columns = images[list(REASONS)].to_numpy(dtype=float)
    digits = pd.get_dummies(images["label"], drop_first=True).to_numpy(dtype=float)
    shares = {words: explained_share(target, columns[:, [i]]) for i, words in enumerate(REASONS.values())}
    shares |= {"both": explained_share(target, columns), "the digit alone": explained_share(target, digits)}
    shares["all three"] = explained_share(target, np.column_stack([columns, digits]))
    return {
        "correlations": correlation_table(images, "log_prob", REASONS).round(4),
        "explained": pd.DataFrame({"by": shares.keys(), "share": shares.values()}).round(4),
        "matched": _matched(images).round(4),
        "contributions": _contributions(images).round(4),
    }


def _matched(images: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for label in np.unique(images["label"]):
        row: dict[str, float] = {"label": int(label)}
        for column in REASONS:
            found = matched_difference(images, "log_prob", column, int(label), BINS)
            row |= {"raw": found["raw"], f"at_equal_{column}": found["matched"], f"share_{column}": found["share"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _contributions(images: pd.DataFrame) -> pd.DataFrame:
    """A digit's mean minus the mean of all other images, term by term; the three terms add up to the whole."""
    terms = pd.DataFrame(
        {
            "log_prob": images["log_prob"],
            "reconstruction": images["reconstruction"],
            "kl": -images["kl"],
            "slack": images["log_prob"] - images["reconstruction"] + images["kl"],
        }
    )
    rows = []
    for label in np.unique(images["label"]):
        own = images["label"] == label
        rows.append({"label": int(label), **(terms[own].mean() - terms[~own].mean()).to_dict()})
    return pd.DataFrame(rows)
