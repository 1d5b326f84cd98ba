"""Evaluation of the VAE chapter: the bound's terms at every kept epoch, and the latent map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.data import DATASETS, Split, load
from core.data.subsets import every, one_of_each
from core.families.vaes import tables as vae_tables
from core.families.vaes.config import VAEConfig
from core.families.vaes.findings import UNUSED_NATS
from core.families.vaes.task import Terms, load_vae, terms_of
from core.runs.store import Run
from core.training.session import Evaluation

# Matrix products round differently on other machines; a bound in nats moves by about 1e-4 of itself.
TOLERANCES: dict[str, float] = {"": 0.02, "used_dimensions": 1.0}


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure a run's weights at every kept epoch on training, validation and (where there is one) test images.

    Metrics are of the final weights (averaged over recent steps), means per image in nats, each over a whole split and
    by the same function: ``train_loss`` and ``validation_loss`` are negative ELBOs, ``overfit_gap`` is validation less
    training, ``overfit_gap_equal_shares`` the same with every class counted alike, and ``test_elbo_nats`` is the ELBO
    on the test images where the data set has them. ``used_dimensions`` counts the latent dimensions whose mean KL on
    validation images is at least 0.01 nats. The history's ``train_`` columns are something else: means over an epoch
    during which the weights move.
    """
    config = run.config_as(VAEConfig)
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    epochs = sorted({*run.snapshots(), run.epochs_done}, reverse=True)
    tables: dict[str, list[pd.DataFrame]] = {}
    metrics: dict[str, float] = {}
    places: NDArray[np.float64] | None = None
    for epoch in epochs:  # the last one first: the maps of the others start from its map
        terms = _terms(run, None if epoch == epochs[0] else epoch, splits, device)
        metrics = metrics or _metrics(terms, splits)
        for name, part in terms.items():
            for table, frame in _tables(part, splits[name].labels).items():
                tables.setdefault(table, []).append(frame.round(4).assign(epoch=epoch, split=name))
        points = latent_map(terms["validation"], splits["validation"].labels, places, config.seed)
        places = points[["x", "y"]].to_numpy()
        tables.setdefault("latent_map", []).append(points.round({"x": 3, "y": 3, "loss": 1}).assign(epoch=epoch))
    joined = {name: _in_front(pd.concat(reversed(parts), ignore_index=True)) for name, parts in tables.items()}
    shown = {f"{name}_index": one_of_each(splits[name].labels) for name in ("validation", "train")}
    return Evaluation(metrics, {**joined, "shown": pd.DataFrame(shown)})


def verify(run: Run, device: str = "cpu") -> Evaluation:
    """Recompute every metric of :func:`evaluate` from the final weights; the tables of earlier epochs are left out."""
    splits = {name: load(run.config.data, name) for name in DATASETS[run.config.data].sizes}
    return Evaluation(_metrics(_terms(run, None, splits, device), splits))


def _terms(run: Run, epoch: int | None, splits: Mapping[str, Split], device: str) -> dict[str, Terms]:
    vae, config = load_vae(run, epoch, device), run.config_as(VAEConfig)
    return {name: terms_of(vae, split.images, config, device) for name, split in splits.items()}


def _tables(terms: Terms, labels: NDArray[np.int64]) -> dict[str, pd.DataFrame]:
    kl = terms.kl.sum(1)
    return {
        "measures": vae_tables.measures(terms.reconstruction, kl),
        "per_class": vae_tables.per_class(terms.reconstruction, kl, labels),
    }


def _metrics(terms: Mapping[str, Terms], splits: Mapping[str, Split]) -> dict[str, float]:
    """Return the run's metrics from the terms of each split with the final weights."""
    metrics = {f"{name}_{key}": value for name, part in terms.items() for key, value in part.means().items()}
    metrics["overfit_gap"] = metrics["validation_loss"] - metrics["train_loss"]
    classes = [_tables(part, splits[name].labels)["per_class"].assign(split=name) for name, part in terms.items()]
    metrics["overfit_gap_equal_shares"] = vae_tables.gap_at_equal_shares(pd.concat(classes))
    if "test" in terms:
        metrics["test_elbo_nats"] = -metrics.pop("test_loss")
    metrics["used_dimensions"] = float((terms["validation"].kl.mean(0) >= UNUSED_NATS).sum())
    return metrics


def latent_map(
    terms: Terms, labels: NDArray[np.int64], start: NDArray[np.float64] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return the images of the latent map, up to 2,000 evenly spaced: no pixel, only where their encoded means lie.

    Returns
    -------
    DataFrame
        ``index`` (place in the split), ``label``, ``x, y`` (t-SNE), ``loss`` (negative ELBO, nats) and
        ``neighbour`` (label of the image of the whole split whose mean is nearest).
    """
    places = every(len(labels), vae_tables.MAP_IMAGES)
    plane = vae_tables.neighbour_map(terms.mu[places], start, seed=seed)
    columns = {"index": places, "label": labels[places], "x": plane[:, 0], "y": plane[:, 1], "loss": terms.loss[places]}
    return pd.DataFrame(columns).assign(neighbour=labels[vae_tables.nearest(terms.mu, places)])


def _in_front(frame: pd.DataFrame) -> pd.DataFrame:
    first = [name for name in ("epoch", "split") if name in frame.columns]
    return frame[[*first, *(name for name in frame.columns if name not in first)]]
