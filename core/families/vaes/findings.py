"""What a VAE's tables say, in sentences computed from them. Imports no torch: pages read it.

The tables are the ones that ``core.families.vaes.task`` stores; losses are negative ELBOs in nats per image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data import DATASETS
from core.families.vaes.config import VAEConfig
from core.families.vaes.tables import gap_at_equal_shares
from core.runs.store import Run

UNUSED_NATS = 0.01  # a latent dimension with less KL than this carries nothing about the image
SHARES_THAT_COUNT = 0.02  # nats: below this the classes' shares do not change the gap as it is written
RISE_THAT_COUNTS = 0.1  # nats: validation loss this far above its lowest value has risen; less is noise between epochs


@dataclass(frozen=True)
class Gap:
    """How far apart training and validation are, both evaluated with the same weights and the same function.

    ``nats`` is validation less training loss, ``error`` its standard error, ``equal_shares`` the same gap with
    every class counted alike.
    """

    train: float
    validation: float
    nats: float
    error: float
    equal_shares: float

    @property
    def percent(self) -> float | None:
        """The gap in percent of the training loss; None where that is not positive (a density above 1)."""
        return 100 * self.nats / self.train if self.train > 0 else None


@dataclass(frozen=True)
class Course:
    """How the validation loss has gone: its lowest value so far, the epoch of it, and what followed."""

    lowest: float
    lowest_epoch: int
    epochs_since: int
    rise: float


def gap(measures: pd.DataFrame, classes: pd.DataFrame) -> Gap:
    """Return the gap of one epoch.

    Parameters
    ----------
    measures
        Rows of one epoch: ``split`` (``train`` and ``validation``), ``loss, standard_error``.
    classes
        Rows of the same epoch: ``split, label, loss``.
    """
    by_split = {str(row["split"]): row for row in measures.to_dict("records")}
    train, held = by_split["train"], by_split["validation"]
    error = math.hypot(train["standard_error"], held["standard_error"])
    shares = gap_at_equal_shares(classes[classes["split"].isin(["train", "validation"])])
    return Gap(train["loss"], held["loss"], held["loss"] - train["loss"], error, shares)


def gaps(measures: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """Return the gap of every kept epoch: ``epoch, gap_nats, error_nats, equal_shares_nats``.

    Parameters
    ----------
    measures, classes
        As for :func:`gap`, with a column ``epoch``.
    """
    rows = []
    for epoch in sorted(measures["epoch"].unique()):
        found = gap(measures[measures["epoch"] == epoch], classes[classes["epoch"] == epoch])
        rows.append((int(epoch), found.nats, found.error, found.equal_shares))
    return pd.DataFrame(rows, columns=["epoch", "gap_nats", "error_nats", "equal_shares_nats"])


def course(history: pd.DataFrame, epoch: int) -> Course | None:
    """Return how the validation loss has gone up to ``epoch``: later rows and values that are not finite are ignored.

    None where no value is left.
    """
    past = history[(history["epoch"] <= epoch) & np.isfinite(history["validation_loss"].astype(float))]
    if past.empty:
        return None
    epochs, losses = past["epoch"].to_numpy(), past["validation_loss"].to_numpy()
    best = int(losses.argmin())
    return Course(
        float(losses[best]), int(epochs[best]), int(epochs[-1] - epochs[best]), float(losses[-1] - losses[best])
    )


def overfitting_sentences(found: Gap, past: Course | None) -> list[str]:
    """Say whether it overfits: the gap in nats and percent, and whether the validation loss has turned upwards."""
    percent = "" if found.percent is None else f" ({abs(found.percent):.1f} %)"
    shares = ""
    if abs(found.equal_shares - found.nats) >= SHARES_THAT_COUNT:  # the splits hold the classes in unequal shares
        shares = f"; with every class counted alike it is {_signed(found.equal_shares)}"
    sentences = [
        f"A validation image costs {found.validation:.2f} nats, a training image {found.train:.2f}: "
        f"a gap of {_signed(found.nats)} ± {found.error:.2f} nats{percent}{shares}."
    ]
    if past is None:
        return sentences
    since = f"Validation loss was lowest after epoch {past.lowest_epoch}"
    if past.rise >= RISE_THAT_COUNTS:
        return [
            *sentences,
            f"{since} and has risen by {past.rise:.2f} nats in {_epochs(past.epochs_since)}: **it overfits**, and "
            f"stopping at epoch {past.lowest_epoch} would have been better.",
        ]
    course = f"{since} and has not risen since ({_epochs(past.epochs_since)})"
    if past.epochs_since == 0:
        course = "Validation loss is at its lowest so far"
    if found.equal_shares > 2 * found.error:
        verdict = "it fits the images it has seen more closely than new ones, but **has not begun to overfit**"
    else:
        verdict = "**no overfitting**, and within classes no gap beyond the error of its measurement"
    return [*sentences, f"{course}: {verdict}."]


def _signed(nats: float) -> str:
    """Return a number with its sign, a true minus: ``+1.90``, ``−0.20``."""
    return f"{nats:+.2f}".replace("-", "−")


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n} epochs"


def kl_at(history: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return the KL of each latent dimension at an epoch, the largest first.

    Parameters
    ----------
    history
        Columns ``epoch`` and ``kl_0, kl_1, …``: nats, means over the validation images.

    Returns
    -------
    DataFrame
        ``dimension, kl_nats, used``; empty where the history has no such columns or no such epoch.
    """
    columns = [name for name in history.columns if name.removeprefix("kl_").isdecimal() and name.startswith("kl_")]
    row = history[history["epoch"] == epoch]
    values = row.iloc[-1][columns].astype(float) if len(row) else pd.Series(dtype=float)
    frame = pd.DataFrame(
        {"dimension": [int(str(name).removeprefix("kl_")) for name in values.index], "kl_nats": values.to_numpy()}
    )
    frame = frame.loc[np.isfinite(frame["kl_nats"])]
    frame = frame.assign(used=frame["kl_nats"] >= UNUSED_NATS)
    ordered: pd.DataFrame = frame.sort_values("kl_nats", ascending=False, kind="stable", ignore_index=True)
    return ordered


def dimensions_sentence(dimensions: pd.DataFrame) -> str:
    """Say how many latent dimensions are used, and name the unused ones."""
    used, unused = dimensions[dimensions["used"]], sorted(dimensions.loc[~dimensions["used"], "dimension"])
    total = f"{dimensions['kl_nats'].sum():.1f} nats"
    if not unused:
        return f"All {len(dimensions)} latent dimensions are used; together they carry {total} about an image."
    names = _listed(unused)
    if used.empty:
        return f"No latent dimension is used: the decoder draws the same image whatever z is ({names} carry nothing)."
    noun = "dimension" if len(unused) == 1 else "dimensions"
    return (
        f"{len(used)} of {len(dimensions)} latent dimensions are used and carry {total} about an image; "
        f"unused (below {UNUSED_NATS:g} nats): {noun} {names}."
    )


def _listed(numbers: Sequence[int]) -> str:
    """Return ``3``, ``3 and 7``, ``3, 7 and 9``."""
    words = [str(number) for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def terms_sentence(measures: pd.DataFrame, split: str, epoch: int) -> str:
    """Say how the negative ELBO of a split divides into its terms, with the standard error of its mean."""
    row = measures[measures["split"] == split].iloc[0]
    return (
        f"With the weights of epoch {epoch} the ELBO of the {int(row['n']):,} {split} images is "
        f"{_plain(-row['loss'])} ± {row['standard_error']:.2f} nats: {_plain(-row['reconstruction'])} for the picture, "
        f"less {row['kl']:.2f} for what z says."
    )


def _plain(nats: float) -> str:
    return f"{nats:.2f}".replace("-", "−")


def neighbours_sentence(points: pd.DataFrame) -> str:
    """Say how often the nearest image in latent space has the same label, which training never saw."""
    share = float((points["label"] == points["neighbour"]).mean())
    return (
        f"No label was used in training, yet for {share:.1%} of the images on the map the nearest neighbour "
        "in latent space is of the same class."
    )


def held_out_split(run: Run) -> str:
    """Return the split of the reported figures: test where the data set has one."""
    return DATASETS[run.config.data].held_out_split


def comparable(run: Run) -> bool:
    """Whether the reports' figures are of the same exercise: MNIST, Gaussian likelihood, sigma 0.4."""
    config = run.config
    return (
        isinstance(config, VAEConfig)
        and config.data == "mnist"
        and config.likelihood == "gaussian"
        and config.sigma == 0.4
    )
