"""Tables of per-image log-probabilities: per digit, as histograms, and which images are most and least probable.

Pure pandas: pages use these functions on stored tables without importing torch. All values are in nats.

An image table has one row per image: ``index`` (place in its split), ``label``, ``log_prob``, ``standard_error``,
``effective_samples``, ``pareto_k`` (k-hat, see :mod:`core.families.log_probs.pareto`; empty where it cannot be fitted),
``samples`` (drawn), ``reconstruction`` (E_q log p(x|z)), ``kl``, and for held-out images ``ink`` and
``intrinsic_dimension``. Tables of older runs lack ``pareto_k`` and ``samples``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.data.subsets import every
from core.errors import DataError
from core.runs.tables import INDEX, LABEL, Column, number, whole

IMAGES: dict[str, Column] = {
    "index": INDEX,
    "label": LABEL,
    "log_prob": number(),
    "standard_error": number(0),
    "effective_samples": number(0),
    "pareto_k": number(missing=True),
    "samples": whole(2),
    "reconstruction": number(),
    "kl": number(0),
}
LATER = ("pareto_k", "samples")  # image tables of runs measured earlier lack them
IMAGE_COLUMNS = ("index", "label", "log_prob", "standard_error", "effective_samples", "reconstruction", "kl")
UNRELIABLE = 0.7  # k-hat beyond which neither an estimate nor its error can be relied on (arXiv:1507.02646)
MEASURES = ("ink", "intrinsic_dimension")
SLACK_SETS = {
    "amortised_train": "encoder, training images",
    "amortised_held_out": "encoder, held-out images",
    "latent_train": "per-image latents, training images",
    "latent_held_out": "latents' decoder, held-out images, q refined from the prior",
}
WANTED = 20
"""Effective samples below which an image is marked, where a run does not say it."""
DECIMALS = {"effective_samples": 1, "pareto_k": 3, "samples": 0, "ink": 5}


def check_images(images: pd.DataFrame) -> pd.DataFrame:
    """Return the table if it has the columns of an image table and at least one row; else raise DataError."""
    missing = [name for name in IMAGE_COLUMNS if name not in images]
    if missing or images.empty:
        what = f"lacks the columns {missing}" if missing else "has no row"
        raise DataError(f"the table of images {what}", "Evaluate the run again")
    return images


def rounded(images: pd.DataFrame) -> pd.DataFrame:
    """Return the table with as many decimals as its standard errors deserve, for storing."""
    return images.round({name: DECIMALS.get(name, 4) for name in images.columns if images[name].dtype.kind == "f"})


def per_digit(images: pd.DataFrame) -> pd.DataFrame:
    """Return the means per digit.

    Returns
    -------
    pandas.DataFrame
        A row per label: ``images``, ``log_prob`` with ``error`` (standard error of the mean over images) and ``sd``
        (between images), ``reconstruction``, ``kl``, ``slack`` (log p(x) minus ELBO), ``standard_error`` (mean of
        the images' own), ``effective_samples`` (median), and the measures that are there.
    """
    check_images(images)
    grouped = images.assign(slack=images["log_prob"] - images["reconstruction"] + images["kl"]).groupby("label")
    size = grouped.size()
    sd = grouped["log_prob"].std(ddof=1).fillna(0.0)
    means = ["log_prob", "reconstruction", "kl", "slack", "standard_error"]
    table = grouped[[*means, *(name for name in MEASURES if name in images)]].mean()
    table.insert(0, "images", size)
    table.insert(2, "error", sd / size.pow(0.5))
    table.insert(3, "sd", sd)
    table["effective_samples"] = grouped["effective_samples"].median()
    return table.reset_index()


def mean_with_error(values: pd.Series) -> tuple[float, float]:
    """Return the mean and its standard error over images; the error is 0 for a single image."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()), error


def histogram(images: pd.DataFrame, bins: int = 40) -> pd.DataFrame:
    """Return the distribution of log p(x) of each digit over common bins.

    Returns
    -------
    pandas.DataFrame
        Columns ``label, low, high, images, share``; the shares of a digit sum to 1. The outermost bins also hold
        what lies beyond the 0.2 % and 99.8 % quantiles, so that a few odd images do not squeeze the rest.
    """
    check_images(images)
    low, high = images["log_prob"].quantile([0.002, 0.998])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    rows = []
    for label, part in images.groupby("label"):
        counts, _ = np.histogram(part["log_prob"].clip(edges[0], edges[-1]), edges)
        rows.append(
            pd.DataFrame(
                {"label": label, "low": edges[:-1], "high": edges[1:], "images": counts, "share": counts / len(part)}
            )
        )
    return pd.concat(rows, ignore_index=True)


def extremes(images: pd.DataFrame, label: int, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the n most probable images of a digit, best first, and the n least probable ones, worst first."""
    own = images[images["label"] == label].sort_values("log_prob", ascending=False, kind="stable")
    return own.head(n), own.tail(n).iloc[::-1]


def typical(images: pd.DataFrame) -> pd.DataFrame:
    """Return one image of each digit: the one of median log p(x) (the lower one of two)."""
    ordered = check_images(images).sort_values(["label", "log_prob", "index"])
    middles = [part.iloc[(len(part) - 1) // 2] for _, part in ordered.groupby("label")]
    table = pd.DataFrame(middles).reset_index(drop=True)
    return table.astype({"index": int, "label": int})


def probability_metrics(images: pd.DataFrame, split: str) -> dict[str, float]:
    """Return the mean log p(x) of a split and of each of its digits, as metrics by name."""
    metrics = {f"{split}_log_prob_nats": float(images["log_prob"].mean())}
    for label, value in images.groupby("label")["log_prob"].mean().items():
        metrics[f"{split}_log_prob_digit_{label}"] = float(value)
    return metrics


def short(images: pd.DataFrame, wanted: float = WANTED) -> pd.Series:
    """Return which images have fewer effective samples than wanted: their values and errors are not to be relied on."""
    return images["effective_samples"] < wanted


def reliability(images: pd.DataFrame, wanted: float, split: str) -> dict[str, float]:
    """Return, as metrics by name, which shares of a split's images are not to be relied on.

    ``<split>_short_share``: fewer effective samples than ``wanted`` when drawing ended at the cap;
    ``<split>_heavy_share``: k-hat above 0.7, so that even their errors may be too small.
    """
    return {
        f"{split}_short_share": float(short(images, wanted).mean()),
        f"{split}_heavy_share": float((images["pareto_k"] > UNRELIABLE).mean()),
    }


def thinned(images: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most that many rows, spread evenly over the table."""
    return images.iloc[every(len(images), most)].reset_index(drop=True)


def comparison(images: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return both models side by side: means per training image in nats, and standard errors over the images.

    ``slack`` is log p(x) minus ELBO, which is KL(q || p(z|x)): how far the model's own q is from its posterior.
    """
    rows = []
    for model, frame in (("latent", images["images"]), ("amortised", images["images_amortised"])):
        elbo = frame["reconstruction"] - frame["kl"]
        slack, error = mean_with_error(frame["log_prob"] - elbo)
        log_prob, log_prob_error = mean_with_error(frame["log_prob"])
        means = {name: float(frame[name].mean()) for name in ("reconstruction", "kl")}
        figures = {"elbo": float(elbo.mean()), **means, "log_prob": log_prob, "log_prob_error": log_prob_error}
        figures |= {"slack": slack, "slack_error": error}
        figures["effective_samples"] = float(frame["effective_samples"].median())
        rows.append({"model": model, "images": len(frame), **figures})
    return pd.DataFrame(rows).round(4)


def slack_summary(slack: pd.DataFrame) -> pd.DataFrame:
    """Return the means of each set, with standard errors over the images: ``slack`` is the sum of both gaps."""
    rows: list[dict[str, object]] = []
    for key in SLACK_SETS:
        frame = slack[slack["set"] == key]
        row: dict[str, object] = {"set": key, "images": len(frame)}
        for column in ("log_prob", "elbo", "elbo_refined", "approximation", "amortisation"):
            row[column], row[f"{column}_error"] = mean_with_error(frame[column])
        row["slack"] = float((frame["approximation"] + frame["amortisation"]).mean())
        rows.append(row)
    return pd.DataFrame(rows).round(4)
