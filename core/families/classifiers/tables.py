"""The tables of a classifier's evaluation, from logits and labels. Numpy and pandas, no torch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.families.classifiers import measures
from core.runs.tables import EPOCH, INDEX, LABEL, SHARE, SPLIT, Table, declared, number, whole

_AT = {"epoch": EPOCH, "split": SPLIT}
_IMAGES = {
    "index": INDEX,
    "label": LABEL,
    "predicted": LABEL,
    "confidence": SHARE,
    "label_probability": SHARE,
}
TABLES = declared(
    [
        Table(
            "measures",
            {**_AT, "n": whole(1), "loss": number(0), "accuracy": SHARE, "confidence": SHARE, "ece": SHARE},
        ),
        Table("confusion", {**_AT, "label": LABEL, "predicted": LABEL, "count": whole(0, 70_000)}),
        Table(
            "per_class",
            {
                **_AT,
                "label": LABEL,
                "precision": number(0, 1, missing=True),  # of a class that nothing was read as
                "recall": number(0, 1, missing=True),
                "f1": number(0, 1, missing=True),
                "support": whole(0, 70_000),
            },
        ),
        Table(
            "calibration",
            {**_AT, "low": SHARE, "high": SHARE, "count": whole(1), "confidence": SHARE, "accuracy": SHARE},
        ),
        Table("mistakes", {**_AT, **_IMAGES}, may_be_empty=True),
        Table("doubtful", {**_AT, **_IMAGES}, may_be_empty=True),
    ]
)

LEAST_SURE = 24  # right answers kept per class: the least confident ones
DECIMALS = 4  # of probabilities in the lists of images


def tables(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> dict[str, pd.DataFrame]:
    """Return every table of one split at one epoch.

    Parameters
    ----------
    logits : array of shape (n, n_classes)
    labels : array of int, shape (n,)

    Returns
    -------
    dict of str to DataFrame
        ``measures``: one row ``n, loss, accuracy, confidence, ece`` (means; see ``classifiers.measures``).
        ``confusion``: ``label, predicted, count``, one row per pair of classes that occurs.
        ``per_class``: ``label, precision, recall, f1, support``.
        ``calibration``: ``low, high, count, confidence, accuracy``, one row per bin that is not empty.
        ``mistakes``: every misread image, ``index`` (place in the split), ``label, predicted, confidence,
        label_probability``, the most confident first.
        ``doubtful``: the same columns of the rightly read images that the model was least sure of, ``LEAST_SURE``
        of each class, the least sure first.
    """
    n_classes = logits.shape[1]
    log_probs = measures.log_softmax(logits)
    predicted = log_probs.argmax(axis=1)
    confidence = np.exp(log_probs.max(axis=1)).clip(0, 1)  # rounding may end above 1
    right = predicted == labels
    confusion = measures.confusion_matrix(labels, predicted, n_classes)
    bins = measures.calibration(confidence, right)
    images = pd.DataFrame(
        {
            "index": np.arange(len(labels)),
            "label": labels,
            "predicted": predicted,
            "confidence": confidence,
            "label_probability": np.exp(log_probs[np.arange(len(labels)), labels]),
        }
    )
    summary = {
        "n": len(labels),
        "loss": measures.cross_entropy(logits, labels).mean(),
        "accuracy": right.mean(),
        "confidence": confidence.mean(),
        "ece": bins.error,
    }
    doubtful = images[right].sort_values("confidence", kind="stable").groupby("label", sort=True).head(LEAST_SURE)
    return {
        "measures": pd.DataFrame([summary]).round(7),
        "confusion": _pairs(confusion),
        "per_class": _per_class(confusion),
        "calibration": _bins(bins),
        "mistakes": images[~right].sort_values("confidence", ascending=False, kind="stable").round(DECIMALS),
        "doubtful": doubtful.round(DECIMALS),
    }


def _pairs(confusion: measures.Counts) -> pd.DataFrame:
    labels, predicted = np.nonzero(confusion)
    return pd.DataFrame({"label": labels, "predicted": predicted, "count": confusion[labels, predicted]})


def _per_class(confusion: measures.Counts) -> pd.DataFrame:
    values = measures.per_class(confusion)
    columns = {"precision": values.precision, "recall": values.recall, "f1": values.f1}
    frame = pd.DataFrame({"label": np.arange(len(confusion)), **columns}).round(6)
    return frame.assign(support=values.support)


def _bins(bins: measures.Calibration) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "low": bins.low.round(4),
            "high": bins.high.round(4),
            "count": bins.count,
            "confidence": bins.confidence.round(6),
            "accuracy": bins.accuracy.round(6),
        }
    )
    return frame[frame["count"] > 0]
