"""Evaluation of the log-probability chapter: log p(x) of every image, and everything that explains the figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from core.chapters.log_probability.config import LogProbabilityConfig
from core.chapters.log_probability.reasons import measure_images, reasons
from core.chapters.log_probability.train import build, build_names, latent_model
from core.data import DATASETS, Split, load
from core.data.subsets import every, first_of_each
from core.families.log_probs.adaptive import Effort
from core.families.log_probs.annealing import AISOptions
from core.families.log_probs.latent_model import LatentModel, anneal, estimate, image_table, measure
from core.families.log_probs.ppca import fit_ppca
from core.families.log_probs.tables import histogram, per_digit, probability_metrics, reliability, rounded
from core.families.vaes.task import flat
from core.runs.store import Run
from core.training.loop import seeded
from core.training.session import Evaluation
from core.training.weights import load_weights

TIGHTENING = (1, 5, 10, 50, 100, 500, 1000, 5000)  # each divides the next: the bounds then rise on every image


TIGHTENING_PER_CLASS = 10


AIS_CHAINS = 8


QUICK_PER_CLASS = 10


# Noise is the same at every evaluation: what is left is how matrix products round on other machines, in nats.
TOLERANCES: dict[str, float] = {"": 0.02, "ais_gap_nats": 0.1, "iwae_ais_gap_nats": 0.1}


def load_models(run: Run, device: str = "cpu") -> dict[str, LatentModel]:
    """Return a run's models, ready to be measured: no weight takes a gradient."""
    config = run.config_as(LogProbabilityConfig)
    modules = build(config)
    load_weights(run, modules)
    return {name: latent_model(m.to(device).requires_grad_(False), config) for name, m in modules.items()}


@dataclass(frozen=True)
class Parts:
    """What an evaluation works on: the flat images of each split, and which of them are measured."""

    config: LogProbabilityConfig
    splits: dict[str, Split]
    x: dict[str, Tensor]
    places: dict[str, NDArray[np.int64]]

    @property
    def held_out(self) -> str:
        """The split whose figures are reported: test, or validation where the data set has no test images."""
        return DATASETS[self.config.data].held_out_split


def parts_of(config: LogProbabilityConfig) -> Parts:
    """Load the splits and choose the images that are measured."""
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    wanted = {"train": config.train_images, "validation": config.validation_images}
    places = {name: every(len(split), wanted.get(name, len(split))) for name, split in splits.items()}
    return Parts(config, splits, {name: flat(split, config) for name, split in splits.items()}, places)


def effort_of(config: LogProbabilityConfig) -> Effort:
    """Return how many samples an image gets when it is measured with a fitted proposal."""
    return Effort(config.samples, config.wanted, max(config.samples, config.most_samples))


def measured(model: LatentModel, parts: Parts, split: str, places: NDArray[np.int64], device: str) -> pd.DataFrame:
    """Return the image table of some images of a split."""
    config = parts.config
    x = parts.x[split][places].to(device)
    if config.proposal == "encoder":
        found = estimate(model, x, n_samples=config.samples, seed=config.seed, indices=places.tolist())
    else:
        found = measure(model, x, effort=effort_of(config), seed=config.seed, indices=places.tolist())
    return image_table(found, places, parts.splits[split].labels)


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure every model of a run on every split, and everything that explains the figures.

    Metrics are means per image in nats: ``test_log_prob_nats``, ``test_log_prob_digit_0`` ... (over the whole test
    set), ``train_log_prob_nats`` and ``validation_log_prob_nats`` (over the images that the config names),
    ``gap_nats`` (train minus held out), ``ppca_...`` for the baseline, ``ais_gap_nats`` for the second estimator;
    ``test_short_share`` and ``test_heavy_share`` for a fitted proposal
    (:func:`core.families.log_probs.tables.reliability`); and for a binarised run ``nll_nats_<samples>``. Names of the
    fine-tuned model begin with ``iwae_``.
    """
    config = run.config_as(LogProbabilityConfig)
    parts = parts_of(config)
    metrics: dict[str, float] = {}
    tables: dict[str, pd.DataFrame] = {}
    for name, model in load_models(run, device).items():
        images = {split: measured(model, parts, split, parts.places[split], device) for split in parts.splits}
        images[parts.held_out] = measure_images(
            images[parts.held_out], parts.x[parts.held_out], parts.x["train"], parts.splits["train"].labels
        )
        tables |= {table_name(f"images_{split}", name): rounded(frame) for split, frame in images.items()}
        tables |= {table_name("tightening", name): tightening(model, parts, device)}
        if config.ais_images:
            tables |= {table_name("ais", name): annealed(model, images[parts.held_out], parts, device)}
        tables |= summaries(name, images, parts.held_out)
    if config.likelihood == "gaussian":
        tables["baselines"] = baselines(parts)
    metrics = metrics_of(config, tables, parts.held_out)
    return Evaluation(metrics, tables)


def table_name(kind: str, model: str) -> str:
    """Return the name of a model's table: the plain model's have no suffix."""
    return kind if model == "vae" else f"{kind}_{model}"


def summaries(model: str, images: Mapping[str, pd.DataFrame], held_out: str) -> dict[str, pd.DataFrame]:
    """Return the tables that follow from the image tables alone."""
    digits = pd.concat([per_digit(frame).assign(split=split) for split, frame in images.items()], ignore_index=True)
    bars = pd.concat([histogram(frame).assign(split=split) for split, frame in images.items()], ignore_index=True)
    found = {"digits": rounded(digits), "histogram": bars.round(5)}
    if model == "vae":
        found |= reasons(images[held_out])
    return {table_name(kind, model): frame for kind, frame in found.items()}


def metrics_of(config: LogProbabilityConfig, tables: Mapping[str, pd.DataFrame], held_out: str) -> dict[str, float]:
    """Return the metrics, all computed from the tables."""
    metrics: dict[str, float] = {}
    for name in build_names(config):
        prefix = "" if name == "vae" else f"{name}_"
        splits = [s for s in ("train", "validation", "test") if table_name(f"images_{s}", name) in tables]
        of_model: dict[str, float] = {}
        for split in splits:
            found = probability_metrics(tables[table_name(f"images_{split}", name)], split)
            of_model |= found if split == held_out else dict([next(iter(found.items()))])
        frame = tables[table_name(f"images_{held_out}", name)]
        of_model[f"{held_out}_elbo_nats"] = float((frame["reconstruction"] - frame["kl"]).mean())
        of_model["gap_nats"] = of_model["train_log_prob_nats"] - of_model[f"{held_out}_log_prob_nats"]
        of_model |= reliability(frame, config.wanted, held_out) if config.proposal == "fitted" else {}
        if config.binarise:
            of_model[f"nll_nats_{config.samples}"] = -of_model[f"{held_out}_log_prob_nats"]
        if table_name("ais", name) in tables:
            of_model["ais_gap_nats"] = float(tables[table_name("ais", name)]["gap"].mean())
        metrics |= {prefix + key: value for key, value in of_model.items()}
    if "baselines" in tables:
        whole = tables["baselines"].query("label == -1 and split == @held_out").set_index("model")["log_prob"]
        metrics |= {f"{name}_{held_out}_log_prob_nats": float(value) for name, value in whole.items()}
    return metrics


def tightening(model: LatentModel, parts: Parts, device: str) -> pd.DataFrame:
    """Return how the bound rises with the number of samples, on the first held-out images of each class.

    Columns ``label`` (-1 for all), ``samples``, ``bound``, and ``missing`` with ``missing_error``: by how much the
    bound falls short of the one with most samples, mean and standard error over the images.
    """
    labels = parts.splits[parts.held_out].labels
    places = first_of_each(labels, TIGHTENING_PER_CLASS)
    x = parts.x[parts.held_out][places].to(device)
    most = TIGHTENING[-1]
    found = estimate(model, x, n_samples=most, seed=parts.config.seed, indices=places.tolist(), bound_sizes=TIGHTENING)
    bounds = found.bounds.double().cpu().numpy()
    rows = []
    for label in (-1, *np.unique(labels)):
        chosen = bounds if label == -1 else bounds[labels[places] == label]
        short = chosen[:, -1:] - chosen
        error = short.std(0, ddof=1) / np.sqrt(len(short)) if len(short) > 1 else np.zeros(len(TIGHTENING))
        columns = {"bound": chosen.mean(0), "missing": short.mean(0), "missing_error": error}
        rows.append(pd.DataFrame({"label": label, "samples": TIGHTENING, **columns}))
    return pd.concat(rows, ignore_index=True).round(4)


def annealed(model: LatentModel, images: pd.DataFrame, parts: Parts, device: str) -> pd.DataFrame:
    """Return both estimators side by side on the first held-out images of each class; ``gap`` is AIS minus IS."""
    config = parts.config
    places = first_of_each(parts.splits[parts.held_out].labels, config.ais_images)
    found = anneal(
        model,
        parts.x[parts.held_out][places].to(device),
        options=AISOptions(n_chains=AIS_CHAINS, n_temperatures=config.ais_temperatures),
        generator=seeded(config.seed, "evaluation"),
    )
    table = images.set_index("index").loc[places, ["label", "log_prob", "standard_error"]].reset_index()
    table["ais_log_prob"] = found.log_prob.cpu().numpy()
    table["ais_standard_error"] = found.standard_error.cpu().numpy()
    table["effective_chains"] = found.effective_chains.cpu().numpy()
    table["acceptance"] = found.acceptance.cpu().numpy()
    table["gap"] = table["ais_log_prob"] - table["log_prob"]
    return table.round(4)


def baselines(parts: Parts) -> pd.DataFrame:
    """Return log p(x) of probabilistic PCA, exact, at the same sigma: with as many latent dimensions, and with all.

    Columns ``model`` (``ppca``, ``ppca_all``), ``latent_dim``, ``split``, ``label`` (-1 for all), ``log_prob``.
    """
    config = parts.config
    rows: list[dict[str, object]] = []
    for name, latent_dim in (("ppca", config.latent_dim), ("ppca_all", None)):
        model = fit_ppca(parts.x["train"], config.sigma, latent_dim)
        for split, places in parts.places.items():
            values = model.log_density(parts.x[split][places]).numpy()
            labels = parts.splits[split].labels[places]
            for label in (-1, *np.unique(labels)):
                mean = values.mean() if label == -1 else values[labels == label].mean()
                about = {"model": name, "latent_dim": model.latent_dim, "split": split, "label": int(label)}
                rows.append({**about, "log_prob": round(float(mean), 4)})
    return pd.DataFrame(rows)


def verify(run: Run, device: str = "cpu") -> Evaluation:
    """Recompute a run's metrics within minutes: some images anew, the others from the stored tables.

    The first images of each class of every split are measured again with the same noise. By what they differ from
    the stored tables on average, every mean over their class and split is taken to differ. Means that depend on
    nothing but weights and data (probabilistic PCA) are computed whole; those of annealed importance sampling are
    read from its table.
    """
    config = run.config_as(LogProbabilityConfig)
    parts = parts_of(config)
    tables = {name: run.table(name) for name in run.tables()}
    for name, model in load_models(run, device).items():
        for split, whole in parts.places.items():
            stored = tables[table_name(f"images_{split}", name)]
            labels = parts.splits[split].labels
            places = whole[first_of_each(labels[whole], QUICK_PER_CLASS)]
            again = measured(model, parts, split, places, device)
            tables[table_name(f"images_{split}", name)] = shifted(stored, again)
    if config.likelihood == "gaussian":
        tables["baselines"] = baselines(parts)
    return Evaluation(metrics_of(config, tables, parts.held_out))


def shifted(stored: pd.DataFrame, again: pd.DataFrame) -> pd.DataFrame:
    """Return the stored image table, each class moved by the mean difference of its images that were measured again."""
    values = ["log_prob", "reconstruction", "kl"]
    both = again.merge(stored, on=["index", "label"], suffixes=("", "_stored"), validate="one_to_one")
    if len(both) != len(again):
        return stored.assign(**dict.fromkeys(values, np.nan))  # a table that lacks images agrees with nothing
    difference = pd.DataFrame({name: both[name] - both[f"{name}_stored"] for name in values})
    moved = stored.copy()
    moved[values] += difference.groupby(both["label"]).mean().reindex(stored["label"]).to_numpy()
    return moved
