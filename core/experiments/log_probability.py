"""Log-probability: a VAE, then log p(x) of single images, and why some are more probable than others.

With ``iwae_epochs`` the last epochs train on the importance-weighted bound; with ``keep_plain`` they train a copy, and
both models are kept and measured. Everything a page shows by default is in tables; weights are for the probe.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.configs import LogProbabilityConfig, VAEConfig
from core.data import DATASETS, Split, load
from core.data.images import as_tensor, binarise, preprocess
from core.experiments import vae as vae_chapter
from core.experiments.vae import VAETask, decoded, demo_latents, inputs, reconstructed
from core.metrics.ais import AISOptions
from core.metrics.iwae import iwae_terms
from core.metrics.latent_model import LatentModel, Reading, anneal, estimate, read_image
from core.metrics.log_likelihood import Estimates
from core.metrics.ppca import fit_ppca
from core.metrics.probability_reasons import measure_images, reasons
from core.metrics.probability_tables import histogram, per_digit, probability_metrics, rounded
from core.models.vae import VAE
from core.training.averaging import average_into, decay_at
from core.training.loop import fit, seeded
from core.training.recorder import Recorder
from core.training.runs import Run
from core.training.schedules import set_rate, warmup_cosine
from core.training.session import Evaluation
from core.training.weights import load_weights

MODELS = ("vae", "iwae")
TIGHTENING = (1, 5, 10, 50, 100, 500, 1000, 5000)  # each divides the next: the bounds then rise on every image
TIGHTENING_PER_CLASS = 10
AIS_CHAINS = 8
QUICK_PER_CLASS = 10
GLANCE_IMAGES, GLANCE_SAMPLES = 500, 50  # what the estimate after each epoch costs

# Noise is the same at every evaluation: what is left is how matrix products round on other machines, in nats.
TOLERANCES: dict[str, float] = {"": 0.02, "ais_gap_nats": 0.1, "iwae_ais_gap_nats": 0.1}


def build(config: LogProbabilityConfig) -> dict[str, nn.Module]:
    """Return the modules that a run's weights fit: ``vae``, and ``iwae`` where a fine-tuned copy was kept beside it."""
    return {name: vae_chapter.build(config)["vae"] for name in build_names(config)}


def build_names(config: LogProbabilityConfig) -> tuple[str, ...]:
    """Return the names of a run's models: the plain one alone, unless a fine-tuned copy stands beside it."""
    return MODELS if config.iwae_epochs and config.keep_plain else MODELS[:1]


def latent_model(module: nn.Module, config: LogProbabilityConfig) -> LatentModel:
    """Return a loaded module as what is measured."""
    vae = cast(VAE, module)
    return LatentModel(vae, vae.widths, config.likelihood, config.sigma)


class LogProbabilityTask(VAETask):
    """The VAE chapter's training, and after it the fine-tuning of a copy on the importance-weighted bound."""

    def __init__(self, config: LogProbabilityConfig, train: Split, validation: Split, device: str = "cpu") -> None:
        self.plain_epochs = config.epochs - config.iwae_epochs
        super().__init__(config.changed(epochs=self.plain_epochs, iwae_epochs=0), train, validation, device)
        self.whole = config
        self.iwae, self.iwae_average = self.vae, self.average
        self.glanced = every(len(validation), GLANCE_IMAGES)
        self.labels = validation.labels[self.glanced]
        if config.iwae_epochs:
            if config.keep_plain:
                self.iwae, self.iwae_average = copy.deepcopy(self.vae), copy.deepcopy(self.average)
                self.modules |= {"iwae_trained": self.iwae, "iwae": self.iwae_average}
                self.exported |= {"iwae": self.iwae_average}
            self.iwae_optimizer = torch.optim.Adam(self.iwae.parameters(), lr=config.iwae_rate, fused=True)
            self.optimizers["iwae_adam"] = self.iwae_optimizer

    @property
    def shown(self) -> VAE:
        """The averaged model of the phase that training is in."""
        return self.iwae_average if self.done >= self.plain_epochs else self.average

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Tensor]:
        """Return the epoch's batches; where fine-tuning begins, let it begin at the averaged weights."""
        if self.whole.iwae_epochs and epoch == self.plain_epochs + 1:
            for module in (self.iwae, self.iwae_average):
                module.load_state_dict(self.average.state_dict())
        return super().batches(epoch, generator)

    def step(self, batch: Tensor, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update once; ``bound`` is the negative of the bound that is trained."""
        if self.done < self.plain_epochs:
            terms, size = super().step(batch, generator)
            return {**terms, "bound": terms["loss"]}, size
        config, since = self.whole, self.done - self.plain_epochs
        set_rate(self.iwae_optimizer, config.iwae_rate * warmup_cosine(since, config.iwae_epochs, 0.2, 0.01))
        x = inputs(self.images[batch.to(self.device)], config, generator)
        objective, per_image = iwae_terms(
            self.iwae, x, config.iwae_samples, likelihood=config.likelihood, sigma=config.sigma, generator=generator
        )
        self.iwae_optimizer.zero_grad(set_to_none=True)
        objective.backward()
        self.iwae_optimizer.step()
        average_into(self.iwae_average, self.iwae, decay_at(since * self.steps_per_epoch, config.averaging))
        return {name: value.mean() for name, value in per_image.items()}, len(batch)

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return the bound's terms on the validation images, and a quick log p(x) of some of them, per digit too."""
        terms = vae_chapter.terms_of(self.shown, self.validation.images, self.config, self.device)
        row = {f"validation_{name}": value for name, value in terms.means().items()}
        x = flat(self.validation, self.whole)[self.glanced].to(self.device)
        model = latent_model(self.shown, self.whole)
        found = estimate(model, x, n_samples=GLANCE_SAMPLES, seed=self.whole.seed, indices=self.glanced.tolist())
        images = pd.DataFrame({"label": self.labels, "log_prob": found.log_prob.cpu().numpy()})
        return row | probability_metrics(images, "validation")

    def grids(self, epoch: int) -> Mapping[str, NDArray[np.uint8]]:
        """Return decoded demo draws and reconstructions: model outputs only, no data."""
        return {
            "samples": decoded(self.shown, demo_latents(self.whole))[None],
            "reconstructions-validation": reconstructed(self.shown, self.validation_shown, self.whole)[None],
        }


def train(config: LogProbabilityConfig, recorder: Recorder) -> str:
    """Train on the config's data set and return how it ended."""
    task = LogProbabilityTask(config, load(config.data, "train"), load(config.data, "validation"), recorder.device)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed)


def every(n: int, wanted: int) -> NDArray[np.int64]:
    """Return ``wanted`` places spread evenly over ``n`` (all of them if fewer): a subset that anyone can name."""
    wanted = min(n, wanted)
    return np.arange(wanted, dtype=np.int64) * n // wanted


def first_of_each(labels: NDArray[np.int64], per_class: int) -> NDArray[np.int64]:
    """Return the places of the first images of each class, rising."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)]))


def flat(split: Split, config: VAEConfig) -> Tensor:
    """Return a split's images (n, 784) in [0, 1]; with ``config.binarise`` black and white, the same at every call."""
    images = as_tensor(split.images)
    if config.binarise:
        return binarise(images, seeded(config.seed, "evaluation")).flatten(1)
    return preprocess(images).flatten(1)


def load_models(run: Run, device: str = "cpu") -> dict[str, LatentModel]:
    """Return a run's models, ready to be measured: no weight takes a gradient."""
    config: LogProbabilityConfig = run.config  # type: ignore[assignment]
    modules = build(config)
    load_weights(run, modules)
    return {name: latent_model(m.to(device).requires_grad_(False), config) for name, m in modules.items()}


def image_table(found: Estimates, places: NDArray[np.int64], labels: NDArray[np.int64]) -> pd.DataFrame:
    """Return the image table of some estimates: see :mod:`core.metrics.probability_tables`."""
    names = ("log_prob", "standard_error", "effective_samples", "reconstruction", "kl")
    columns = {name: getattr(found, name).double().cpu().numpy() for name in names}
    return pd.DataFrame({"index": places, "label": labels[places], **columns})


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
        return "test" if "test" in self.splits else "validation"


def parts_of(config: LogProbabilityConfig) -> Parts:
    """Load the splits and choose the images that are measured."""
    splits = {name: load(config.data, name) for name in DATASETS[config.data].sizes}
    wanted = {"train": config.train_images, "validation": config.validation_images}
    places = {name: every(len(split), wanted.get(name, len(split))) for name, split in splits.items()}
    return Parts(config, splits, {name: flat(split, config) for name, split in splits.items()}, places)


def measured(model: LatentModel, parts: Parts, split: str, places: NDArray[np.int64], device: str) -> pd.DataFrame:
    """Return the image table of some images of a split."""
    config = parts.config
    x = parts.x[split][places].to(device)
    found = estimate(model, x, n_samples=config.samples, seed=config.seed, indices=places.tolist())
    return image_table(found, places, parts.splits[split].labels)


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure every model of a run on every split, and everything that explains the figures.

    Metrics are means per image in nats: ``test_log_prob_nats``, ``test_log_prob_digit_0`` ... (over the whole test
    set), ``train_log_prob_nats`` and ``validation_log_prob_nats`` (over the images that the config names),
    ``gap_nats`` (train minus held out), ``ppca_...`` for the baseline, ``ais_gap_nats`` for the second estimator; and
    for a binarised run ``nll_nats_<samples>``. Names of the fine-tuned model begin with ``iwae_``.
    """
    config: LogProbabilityConfig = run.config  # type: ignore[assignment]
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
    config: LogProbabilityConfig = run.config  # type: ignore[assignment]
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


def read(model: LatentModel, image: NDArray[np.uint8], config: LogProbabilityConfig, n_samples: int = 1000) -> Reading:
    """Measure one image, uint8 (28, 28), as the run's images were measured: for the page's probe."""
    x = as_tensor(image)[None]
    return read_image(
        model, inputs(x, config, seeded(config.seed, "evaluation")), n_samples=n_samples, seed=config.seed
    )
