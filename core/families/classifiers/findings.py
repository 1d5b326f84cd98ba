"""What a classifier's tables say, in sentences computed from them. Imports no torch: pages read it.

The tables are those of ``core.families.classifiers.tables``; every function takes rows of one epoch and one split
unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.families.classifiers.measures import Counts, wilson_interval

RISE_THAT_COUNTS = (
    0.05  # validation loss this much above its lowest value is called a rise; less is noise between epochs
)
GAP_THAT_COUNTS = 0.002  # confidence and accuracy closer than this are called equal


def matrix(confusion: pd.DataFrame, n_classes: int) -> Counts:
    """Return the confusion matrix of long rows ``label, predicted, count``; pairs that are absent count 0."""
    square = np.zeros((n_classes, n_classes), dtype=np.int64)
    square[confusion["label"].to_numpy(), confusion["predicted"].to_numpy()] = confusion["count"].to_numpy()
    return square


def confused_pair(confusion: Counts) -> tuple[int, int, int]:
    """Return the two classes that are taken for each other most often, and how often; the first is the lower one.

    Of equally frequent pairs the first in order; (0, 1, 0) where there are no errors.
    """
    both = np.triu(confusion + confusion.T, k=1)
    first, second = np.unravel_index(int(both.argmax()), both.shape)
    if not both.any():
        return 0, 1, 0
    return int(first), int(second), int(both[first, second])


def accuracy_sentence(confusion: Counts, split: str) -> str:
    """Say how many images are misread, with the 95 % Wilson interval of the accuracy."""
    n, right = int(confusion.sum()), int(np.trace(confusion))
    low, high = wilson_interval(right, n)
    return (
        f"It misreads {n - right:,} of {n:,} {split} images: {right / n:.2%} right "
        f"(95 % interval {low:.2%} to {high:.2%})."
    )


def confusion_sentence(confusion: Counts, classes: Sequence[str]) -> str:
    """Say which two classes are confused most, in which direction, and their share of all errors."""
    errors = int(confusion.sum() - np.trace(confusion))
    first, second, count = confused_pair(confusion)
    if errors == 0:
        return "It makes no errors here, so there is no pair to name."
    there, back = int(confusion[first, second]), int(confusion[second, first])
    one, other = classes[first], classes[second]
    if back > there:
        one, other, there, back = other, one, back, there
    return (
        f"The pair it confuses most is {one} and {other}: {count:,} of the {errors:,} errors "
        f"({one} read as {other}: {_times(there)}; {other} read as {one}: {_times(back)})."
    )


def overfitting_sentence(measures: pd.DataFrame, history: pd.DataFrame, epoch: int) -> str:
    """Say whether the model overfits at ``epoch``: the gap between training and validation, and whether loss has risen.

    Parameters
    ----------
    measures
        Rows of the epoch, columns ``split, n, loss, accuracy``, with the splits ``train`` (unchanged images, averaged
        weights: comparable with held-out ones) and ``validation``.
    history
        Columns ``epoch, validation_loss``; rows after ``epoch`` are ignored.
    """
    by_split = {str(row["split"]): row for row in measures.to_dict("records")}
    train, held = by_split["train"], by_split["validation"]
    past = history[(history["epoch"] <= epoch) & np.isfinite(history["validation_loss"].astype(float))]
    losses, epochs = past["validation_loss"].to_numpy(float), past["epoch"].to_numpy(int)
    figures = (
        f"Mean loss is {train['loss']:.4f} on {train['n']:,} training images as they are and {held['loss']:.4f} on "
        f"validation images ({train['accuracy']:.2%} and {held['accuracy']:.2%} right)"
    )
    if not len(losses):
        return f"{figures}."
    lowest = int(losses.argmin())
    rise = losses[-1] / losses[lowest] - 1
    if rise > RISE_THAT_COUNTS:
        where = f"{rise:.0%} above its lowest value, in epoch {epochs[lowest]}"
        return f"{figures}; validation loss is {where}: it overfits."
    if held["loss"] > train["loss"]:
        return f"{figures}; validation loss has not risen, so training longer has cost nothing: no overfitting so far."
    return f"{figures}: held-out images are no harder than training images, so it does not overfit."


def calibration_sentence(measures: pd.Series) -> str:
    """Say whether the model is over- or under-confident: columns ``confidence, accuracy, ece`` of one split."""
    gap = float(measures["confidence"] - measures["accuracy"])
    ece = f"calibration error {float(measures['ece']) * 100:.2f} points"
    said = f"On average it is {measures['confidence']:.2%} confident and {measures['accuracy']:.2%} right"
    if abs(gap) < GAP_THAT_COUNTS:
        return f"{said}: its confidence can be taken at its word ({ece})."
    return f"{said}: {'over' if gap > 0 else 'under'}-confident by {abs(gap) * 100:.1f} points ({ece})."


def with_intervals(bins: pd.DataFrame) -> pd.DataFrame:
    """Return calibration rows with the 95 % interval of each bin's accuracy: ``accuracy_low, accuracy_high``."""
    low, high = wilson_interval(bins["accuracy"] * bins["count"], bins["count"])
    return bins.assign(accuracy_low=low, accuracy_high=high)


def first_epoch_at(history: pd.DataFrame, accuracy: float) -> pd.Series | None:
    """Return the first history row whose ``validation_accuracy`` reaches ``accuracy``, or None."""
    reached = history[history["validation_accuracy"] >= accuracy]
    return None if reached.empty else reached.iloc[0]


def _times(n: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(n, f"{n} times")


def sureness(confidence: float) -> str:
    """Return a confidence in whole per cent; no model is 100 % sure."""
    return ">99\N{NO-BREAK SPACE}%" if confidence > 0.995 else f"{100 * confidence:.0f}\N{NO-BREAK SPACE}%"


def image_texts(rows: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Return a line for each image: what it is, what it was read as, how surely."""
    texts = []
    for row in rows.to_dict("records"):
        label, predicted, sure = int(row["label"]), int(row["predicted"]), sureness(float(row["confidence"]))
        read = "" if label == predicted else f" read as {classes[predicted]}"
        texts.append(f"{classes[label]}{read}, {sure}")
    return texts
