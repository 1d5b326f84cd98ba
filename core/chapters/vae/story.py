"""What the VAE chapter says of a run: what it draws, what it keeps of an image, whether it overfits, what z carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.charts.curves import curves
from core.data import DATASETS
from core.families.vaes import charts, findings
from core.families.vaes.config import VAEConfig
from core.families.vaes.layers import architecture
from core.runs.store import Run
from core.story import Chart, Column, Figure, How, Panel, Reference, Section, Story, Table, Try, Verdict
from core.telling import SoFar, overlaid, so_far
from core.words import number

STRIP = (1, 5, 10, 20, 30)
SAMPLES = "samples"
TABLES = ("measures", "per_class", "latent_map")
TERMS = {
    "loss": (
        "Negative ELBO, the loss",
        "Reconstruction plus KL. Training is a running mean while the weights move; validation is measured after the "
        "epoch, with averaged weights, and may lie below.",
    ),
    "reconstruction": ("Reconstruction: −log p(x|z)", "How far the picture is from the image, summed over pixels."),
    "kl": ("KL of q(z|x) from the prior", "How much z says of the image, summed over dimensions."),
}
EXPLAINED = {
    "validation": "x: the first held-out image of each class; x̂: what the decoder draws from its encoded mean.",
    "train": "The same of images that it was trained on: were it to overfit, these would be clearly better.",
}
# The report's mean log p(x) by importance sampling; the ELBO is a lower bound of it.
REPORT = {"training": -178.49, "test": -189.04}
OTHER_REPORT = {"training": -208.9, "test": -224.5}
SO_FAR = (
    SoFar("validation_loss", "Validation loss", "{:,.2f} nats"),
    SoFar("train_loss", "Training loss", "{:,.2f} nats"),
    SoFar("validation_reconstruction", "Reconstruction, validation", "{:,.2f} nats"),
    SoFar("validation_kl", "KL, validation", "{:,.2f} nats"),
)
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Curves:
    """How curves are drawn, and which runs beside the one that is shown."""

    log: bool = False
    smoothing: float = 0.0
    others: Sequence[Run] = ()


def evaluated(run: Run) -> bool:
    """Whether the run has its tables."""
    return set(TABLES) <= set(run.tables())


def read(run: Run) -> dict[str, pd.DataFrame]:
    """Return the run's tables; none where it has not been evaluated. RunError if one does not read."""
    if not evaluated(run):
        return {}
    tables, split = {name: run.table(name) for name in TABLES}, findings.held_out_split(run)
    if split not in set(tables["measures"]["split"]):
        raise run.broken("tables/measures.csv", f"it has no row of the {split} images")
    return tables


def of_epoch(frame: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return a table's rows of one epoch."""
    return frame[frame["epoch"] == epoch].drop(columns="epoch").reset_index(drop=True)


def nearest_kept(tables: Tables, epoch: int) -> int:
    """Return the kept epoch nearest to ``epoch``, the later of two."""
    return int(min(tables["measures"]["epoch"].unique(), key=lambda one: (abs(one - epoch), -one)))


def elbo(run: Run) -> float | None:
    """Return the held-out ELBO of a run, if it has been evaluated."""
    if "test_elbo_nats" in run.metrics:
        return run.metrics["test_elbo_nats"]
    return -run.metrics["validation_loss"] if "validation_loss" in run.metrics else None


def figures(run: Run) -> list[Figure]:
    """Return the run's final figures, or how far it is."""
    if not run.metrics:
        return so_far(run, SO_FAR)
    split, metrics, config = findings.held_out_split(run), run.metrics, run.config_as(VAEConfig)
    report = f"{number(REPORT['test'], '{:,.2f}')} (its log p, never below its ELBO)"
    return [
        Figure(
            f"{split.capitalize()} ELBO",
            elbo(run),
            "{:,.2f} nats",
            report=report if findings.comparable(run) else None,
            note=f"held out: {DATASETS[config.data].sizes[split]:,} {split} images",
            help="Mean lower bound of log p(x) per image; higher is better.",
        ),
        Figure(
            "Validation loss",
            metrics.get("validation_loss"),
            "{:,.2f} nats",
            note="negative ELBO of images not trained on",
        ),
        Figure(
            "Overfit gap",
            metrics.get("overfit_gap"),
            "{:+,.2f} nats",
            note="validation loss less training loss, final weights, measured alike",
        ),
        Figure(
            "Dimensions in use",
            metrics.get("used_dimensions"),
            f"{{:.0f}} of {config.latent_dim}",
            note=f"latent dimensions with at least {findings.UNUSED_NATS:g} nats of KL",
        ),
    ]


def strip_epochs(run: Run) -> list[int]:
    """Return the epochs whose draws stand below each other: 1, 5, 10, 20 and 30, or as far as the run has come."""
    there = run.sample_epochs(SAMPLES)
    return sorted({one for one in STRIP if one in there} | set(there[-1:]))


def course(run: Run, epoch: int, how: Curves) -> Section:
    """Return the whole loss, the reconstruction and the KL over epochs, each on an axis of its own."""
    runs = [run, *how.others]
    digests = tuple(one.digest for one in runs)
    settings = {"title_y": "nats per image", "log": how.log, "smoothing": how.smoothing, "epoch": epoch}
    panels = []
    for name, (title, words) in TERMS.items():
        chart = Chart(
            curves,
            overlaid(runs, {f"train_{name}": "training", f"validation_{name}": "validation"}),
            alt=f"{title} over epochs, training and validation",
            settings=settings,
            key=(digests, name, epoch, how.log, how.smoothing),
        )
        panels.append(Panel(f"curve-{name}", title, chart, words))
    return Section("Course of training", panels)


def latents(run: Run, epoch: int, tables: Tables) -> Section | None:
    """Return the KL of each latent dimension at the epoch, and the latent map of the nearest kept one."""
    history, panels = run.whole_history(), []
    dimensions = findings.kl_at(history, epoch)
    if len(dimensions):
        said = findings.dimensions_sentence(dimensions)
        nats = history.filter(regex=r"^kl_\d+$").to_numpy(float)
        ceiling = float(nats[np.isfinite(nats)].max(initial=0.0)) * 1.05 or 1.0
        bars = Chart(
            charts.kl_bars,
            dimensions,
            alt=said,
            settings={"ceiling": ceiling, "threshold": findings.UNUSED_NATS},
            key=(run.digest, epoch),
        )
        title = f"What each latent dimension carries after epoch {epoch}"
        panels.append(Panel("kl-dimensions", title, bars, f"{said} Validation images."))
    if tables:
        panels.append(latent_map(run, tables, nearest_kept(tables, epoch)))
    return Section("Latent space", panels) if panels else None


def latent_map(run: Run, tables: Tables, kept: int) -> Panel:
    """Return the map of the encoded validation images."""
    points = of_epoch(tables["latent_map"], kept)
    chart = Chart(
        charts.latent_map,
        points,
        alt=f"Map of {len(points):,} encoded validation images. {findings.neighbours_sentence(points)}",
        settings={"classes": DATASETS[run.config.data].classes},
        key=(run.digest, kept),
    )
    return Panel(
        "latent-map",
        f"Latent map after epoch {kept}: who is whose neighbour",
        chart,
        "Each figure is one validation image, placed by t-SNE so that neighbours in z stay neighbours; distances "
        "between far groups mean nothing.",
    )


def measures(run: Run, tables: Tables, kept: int) -> Section:
    """Return training against validation at the kept epochs, and the terms of each class."""
    split, names = findings.held_out_split(run), DATASETS[run.config.data].classes
    gaps = findings.gaps(tables["measures"], tables["per_class"])
    bars = Chart(
        charts.gap_bars,
        gaps,
        alt="Gap between validation and training loss at the kept epochs",
        settings={"epoch": kept},
        key=(run.digest, kept),
    )
    rows = of_epoch(tables["per_class"][tables["per_class"]["split"] == split], kept)
    rows = rows.assign(label=[names[label] for label in rows["label"]], elbo=-rows["loss"])
    columns = {
        "label": Column("Class"),
        "elbo": Column("ELBO (nats)", ".2f"),
        "reconstruction": Column("Reconstruction (nats)", ".2f"),
        "kl": Column("KL (nats)", ".2f"),
        "n": Column("Images", ","),
    }
    return Section(
        "Training against validation",
        [
            Panel(
                "gap",
                "How much more a validation image costs than a training image",
                bars,
                "Whole splits, the same weights, the same function. Whiskers: ± standard error. Diamonds: every class "
                "counted alike, for the splits do not hold the classes in equal shares.",
            ),
            Panel(
                "classes",
                f"Each class after epoch {kept}, {split} images",
                Table(rows, columns, "ELBO, reconstruction and KL of each class"),
                "Means per image. Click a heading to sort.",
            ),
        ],
    )


def verdict(run: Run, tables: Tables, kept: int) -> Verdict:
    """Return what the figures mean: what a digit costs and whether it overfits; what z carries on demand."""
    now, history = {name: of_epoch(frame, kept) for name, frame in tables.items()}, run.whole_history()
    dimensions = findings.kl_at(history, kept)
    overfitting = findings.overfitting_sentences(
        findings.gap(now["measures"], now["per_class"]), findings.course(history, kept)
    )
    carried = [findings.dimensions_sentence(dimensions)] if len(dimensions) else []
    return Verdict(
        [findings.terms_sentence(now["measures"], findings.held_out_split(run), kept), overfitting[-1]],
        [*overfitting[:-1], *carried, findings.neighbours_sentence(now["latent_map"])],
    )


def references(run: Run) -> list[Reference]:
    """Return the run beside the reports of the same exercise; all of another protocol, which is said."""
    held, metrics, same = findings.held_out_split(run), run.metrics, findings.comparable(run)
    values = {held: elbo(run), "training": -metrics["train_loss"] if "train_loss" in metrics else None}
    protocol = (
        "theirs is log p(x) by importance sampling, which is never below the ELBO; they average the KL over dimensions "
        "and the error over pixels, so they do not train the bound that they report"
        if same
        else "no figure with this data set, likelihood and sigma"
    )

    def nats(value: float | None) -> str:
        return "–" if value is None else number(value, "{:,.2f}")

    return [
        Reference(
            f"{name.capitalize()} ELBO (nats)",
            nats(value),
            nats(REPORT.get(name) if same else None),
            source=f"another report: {nats(OTHER_REPORT[name])}" if same and name in OTHER_REPORT else "",
            protocol=protocol,
        )
        for name, value in values.items()
    ]


def likelihood_formula(config: VAEConfig) -> str:
    """Return p(x|z) as LaTeX."""
    if config.likelihood == "gaussian":
        return rf"\mathcal{{N}}\bigl(x;\,\hat x(z),\,{config.sigma:g}^2 I\bigr)"
    return r"\prod_i \hat x_i(z)^{x_i}(1-\hat x_i(z))^{1-x_i}"


def how(run: Run) -> How:
    """Return formula, architecture, sources and what to try."""
    config = run.config_as(VAEConfig)
    return How(
        formula=r"\begin{aligned} \log p(x) \;&\ge\; \mathrm{ELBO}(x) = "
        r"\underbrace{\mathbb{E}_{q(z|x)}\log p(x|z)}_{-\,\text{reconstruction}} - "
        r"\underbrace{\mathrm{KL}\bigl(q(z|x)\,\|\,\mathcal{N}(0,I)\bigr)}_{\text{KL}} \\ "
        rf"p(x|z) &= {likelihood_formula(config)} \end{{aligned}}",
        text="The [[encoder]] reads an image and says where its [[latent]] z lies: a mean and a variance for each of "
        f"{config.latent_dim} dimensions. A z is drawn from there, and the [[decoder]] draws the image again. Training "
        "raises the bound: pictures should match, and z should say no more than it must ([[KL divergence]]). Both "
        "terms are summed over pixels and dimensions and averaged over images only, so the bound that is trained is "
        "the bound that is shown. What is measured and kept is a running average of the weights (memory "
        f"{config.ema:g} per step).",
        architecture=architecture(config),
        sources=[
            ("Kingma and Welling", "https://arxiv.org/abs/1312.6114"),
            ("Rezende, Mohamed and Wierstra", "https://arxiv.org/abs/1401.4082"),
            ("t-SNE", "https://www.jmlr.org/papers/v9/vandermaaten08a.html"),
        ],
        tries=[
            Try("See the ten draws after one epoch, before the digits have formed", {"epoch": 1}),
            Try("Move z with the pointer, and see whose images lie where it goes", {"probe": True}),
            Try("Hold a z and scrub through the epochs: the same z becomes a digit", {"probe": True, "epoch": 1}),
        ],
    )


def tell(run: Run, epoch: int | None = None, drawing: Curves | None = None) -> Story:
    """Return the whole story of a finished run; by default at its last epoch."""
    tables = read(run)
    at = int(run.whole_history()["epoch"].max()) if epoch is None else epoch
    kept = nearest_kept(tables, at)
    carried = latents(run, at, tables)
    sections = [course(run, at, drawing or Curves()), *([carried] if carried else []), measures(run, tables, kept)]
    return Story(figures(run), sections, verdict(run, tables, kept), references(run), how(run))
