"""What the chapter of per-image latents says of a run: whose q is closer to the posterior, and what the bound lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.chapters.latent_vae.config import LatentVAEConfig
from core.charts.curves import curves
from core.data import load
from core.data.subsets import one_of_each
from core.errors import AtlasError
from core.families.log_probs import charts, findings
from core.families.log_probs.tables import SLACK_SETS
from core.families.vaes.findings import comparable, held_out_split
from core.families.vaes.layers import architecture
from core.runs.store import Run
from core.story import Chart, Column, Figure, Film, How, Panel, Reference, Section, Story, Table, Try, Verdict
from core.telling import SoFar, Tables, overlaid, so_far
from core.words import number

OTHER_REPORT = {"train": -384.4, "test": -414.6}  # a report of the same exercise, per-image optimisation
TERMS = {"loss": "Negative ELBO", "reconstruction": "Reconstruction", "kl": "KL from the prior"}
STARTS = {
    "pca": "the principal components",
    "normal": "draws of N(0, I)",
    "encoder": "the encoder's values after one epoch",
}
MODELS = {"latent": "latents", "amortised": "encoder"}
SO_FAR = (
    SoFar("kept_loss", "Per-image latents", "{:,.2f} nats"),
    SoFar("kept_amortised_loss", "Encoder", "{:,.2f} nats"),
    SoFar("train_loss", "Per-image latents, in training", "{:,.2f} nats"),
    SoFar("train_amortised_loss", "Encoder, in training", "{:,.2f} nats"),
)
DRAWS = {"samples": "latents", "samples-amortised": "encoder"}
RECONSTRUCTIONS = {"reconstructions-train": "latents", "reconstructions-train-amortised": "encoder"}
NOT_HERE = "The training images are not on this machine; get the data set on the home page to see them above."
AT_THE_END = {
    "model": Column("Model"),
    "log_prob": Column("log p(x)", ",.2f"),
    "log_prob_error": Column("± s.e.", ".2f"),
    "elbo": Column("ELBO", ",.2f"),
    "slack": Column("Slack", ".2f", "log p(x) minus ELBO, which is KL(q‖p(z|x))"),
    "effective_samples": Column("Effective samples", ",.0f", "Median over the images"),
    "images": Column("Images", ","),
}


def config_of(run: Run) -> LatentVAEConfig:
    """Return the run's config; RunError if the run is of another experiment."""
    return run.config_as(LatentVAEConfig)


def evaluated(run: Run) -> bool:
    """Whether the run has been measured with importance sampling, and its slack split."""
    return {"comparison", "slack_summary"} <= set(run.tables())


def figures(run: Run) -> list[Figure]:
    """Return both models' log p(x) of training images and whose q is closer, or how far the run is."""
    if not run.metrics:
        return so_far(run, SO_FAR)
    metrics, split = run.metrics, held_out_split(run)
    kept = f"{config_of(run).kept_images:,} training images"
    other = f"another report {findings.value(OTHER_REPORT['train'])} · " if comparable(run) else ""
    return [
        Figure(
            "Training log p(x)",
            metrics.get("train_log_prob_nats"),
            "{:,.2f} nats",
            note=f"{other}per-image latents, {kept}, not held out",
        ),
        Figure(
            "Encoder less latents",
            metrics.get("log_prob_gap_nats"),
            "{:+,.2f} nats",
            note="log p(x) of the amortised twin minus that of the latents, same images",
        ),
        Figure(
            "KL(q‖p(z|x)), latents",
            metrics.get("train_slack_nats"),
            "{:,.2f} nats",
            note="how far each image's own q is from its posterior",
        ),
        Figure(
            "Amortisation gap",
            metrics.get("amortisation_gap_nats"),
            "{:,.2f} nats",
            note=f"what the encoder costs on {split} images, held out",
        ),
    ]


def draws(run: Run, epoch: int) -> Panel | None:
    """Return the same ten draws decoded by both models, epoch by epoch; None where none was recorded."""
    film = Film(run, DRAWS, "Ten draws decoded by both models", epoch)
    help = "Above the decoder trained with per-image latents, below the one trained with an encoder; the same z."
    return Panel("samples", "Ten draws of z from N(0, I), decoded by both models", film, help) if film.there else None


def originals(run: Run) -> NDArray[np.uint8] | None:
    """Return the training images of the recorded reconstructions, (10, 28, 28); None where they are not here."""
    try:
        split = load(run.config.data, "train")
    except AtlasError:
        return None
    return split.images[one_of_each(split.labels)]


def reconstructions(run: Run, epoch: int) -> Panel | None:
    """Return training images and what both models make of them, epoch by epoch; None where nothing was recorded."""
    above = originals(run)
    alt = "Training images and their reconstructions by both models"
    film = Film(run, RECONSTRUCTIONS, alt, epoch, still=above, still_label="image")
    help = "Decoded from each image's own mean, and from the mean that the [[encoder]] gives it."
    help += f" {NOT_HERE}" if above is None else ""
    return Panel("reconstructions", "Reconstructions of training images", film, help) if film.there else None


def course(runs: Sequence[Run], epoch: int, log: bool = False) -> Section:
    """Return loss, reconstruction and KL of both models on the same training images; those of further runs beside."""
    kept = config_of(runs[0]).kept_images
    digests = tuple(run.digest for run in runs)
    panels = []
    for name, title in TERMS.items():
        frame = overlaid(runs, {f"kept_{name}": MODELS["latent"], f"kept_amortised_{name}": MODELS["amortised"]})
        chart = Chart(
            curves,
            frame,
            alt=f"{title} of both models over epochs",
            settings={"title_y": "nats per image", "log": log, "epoch": epoch},
            key=(digests, name, epoch, log),
        )
        words = f"{kept:,} training images after each epoch, same noise: per-image latents, encoder."
        panels.append(Panel(f"curve-{name}", title, chart, words))
    return Section("Course of training", panels)


def terms_at(history: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return both models' terms after an epoch, in nats: of the kept images, and of all images while they trained."""
    found = history[history["epoch"] == epoch].to_dict("records")
    row = found[0] if found else {}
    rows = []
    for words, prefix in ((MODELS["latent"], ""), (MODELS["amortised"], "amortised_")):
        terms = {name: row.get(f"kept_{prefix}{name}") for name in TERMS}
        rows.append({"model": words, **terms, "training": row.get(f"train_{prefix}loss")})
    return pd.DataFrame(rows)


def both_models(run: Run, tables: Tables, epoch: int) -> Section:
    """Return both models' figures after the epoch, and at the end as importance sampling measures them."""
    columns = {"model": Column("Model"), **{name: Column(title, ",.2f") for name, title in TERMS.items()}}
    columns["training"] = Column("In training", ",.2f")
    now = Table(terms_at(run.whole_history(), epoch), columns, "Loss, reconstruction and KL of both models")
    help = "Means per image in nats, of the same training images; in training: of all, while weights moved."
    panels = [Panel("at-epoch", f"Both models after epoch {epoch}", now, help)]
    if "comparison" in tables:
        final = tables["comparison"].assign(model=tables["comparison"]["model"].map(MODELS))
        table = Table(final, AT_THE_END, "Both models measured with importance sampling")
        panels.append(
            Panel(
                "comparison",
                "At the end, by importance sampling",
                table,
                "In nats. Slack: log p(x) minus ELBO, which is KL(q‖p(z|x)). Effective samples: median.",
            )
        )
    return Section("Both models", panels)


def slack(run: Run, tables: Tables) -> Section:
    """Return what the bound leaves open, split into approximation and amortisation gap."""
    summary = tables["slack_summary"]
    shown = summary[summary["set"] != "latent_held_out"].reset_index(drop=True)
    shown = shown.assign(name=shown["set"].map(SLACK_SETS))
    chart = Chart(charts.gaps, shown, alt=findings.slack_sentence(summary), key=(run.digest, "gaps"))
    help = (
        "Each image's q is refined from where it stands, the decoder frozen. What refining gains is the amortisation "
        "gap; what is left to log p(x) is the approximation gap of a diagonal normal. For per-image latents the first "
        "part is what their own optimisation had left to do."
    )
    return Section("What the bound leaves open", [Panel("gaps", "The slack of the bound, split in two", chart, help)])


def verdict(tables: Tables) -> Verdict:
    """Return who estimates q better; what the slack is made of on demand."""
    comparison = tables["comparison"]
    return Verdict(
        [findings.better_q_sentence(comparison), findings.models_sentence(comparison)],
        [findings.slack_sentence(tables["slack_summary"])],
    )


def references(run: Run) -> list[Reference]:
    """Return the run beside the report of the same exercise; nothing where it is of another one."""
    metrics, split = run.metrics, held_out_split(run)
    wanted = ("train_log_prob_nats", f"{split}_log_prob_nats", "amortisation_gap_nats", "approximation_gap_nats")
    if not comparable(run) or not set(wanted) <= metrics.keys():
        return []
    train, held_out, amortisation, approximation = (metrics[name] for name in wanted)
    protocol = "theirs averages the KL over dimensions and the error over pixels; here both are summed"
    return [
        Reference(
            "Training log p(x), per-image latents (nats)",
            number(train, "{:,.2f}"),
            "worse than amortised",
            number(OTHER_REPORT["train"]),
            "another report of the same exercise",
            f"{protocol}; {config_of(run).kept_images:,} images here",
        ),
        Reference(
            f"{split.capitalize()} log p(x), per-image latents (nats)",
            number(held_out, "{:,.2f}"),
            "worse than amortised",
            number(OTHER_REPORT["test"]),
            "as above",
            "q of every held-out image is refined from the prior, 200 images",
        ),
        Reference(
            "Share of the slack that is amortisation",
            number(amortisation / max(amortisation + approximation, 1e-9), "{:.0%}"),
            source="[Cremer et al.](https://arxiv.org/abs/1801.03558)",
            protocol="they find the amortisation gap to be a large part of the slack; other models and data",
        ),
    ]


def how(run: Run) -> How:
    """Return formula, architecture, sources and what to try."""
    config = config_of(run)
    return How(
        formula=r"\begin{gathered}\log p(x) - \mathrm{ELBO}(q) = "
        r"\underbrace{\log p(x) - \mathrm{ELBO}(q^*)}_{\text{approximation gap}} + "
        r"\underbrace{\mathrm{ELBO}(q^*) - \mathrm{ELBO}(q)}_{\text{amortisation gap}} \\ "
        r"q^*(z) = \arg\max_{\mu,\sigma}\mathrm{ELBO}\bigl(\mathcal{N}(\mu, \sigma^2)\bigr)\end{gathered}",
        text="With [[amortised inference]] one network gives q(z|x) for every image. Here every training image has a "
        "mean and a log-variance of its own, updated together with the [[decoder]] whenever the image is seen "
        f"({config.latent_steps} times per visit, the decoder once); they start at {STARTS[config.start]}. "
        "The twin beside it has the same decoder, the same start, the same batches, and an encoder. A [[held out]] "
        "image has no [[latent|latents]] of its own: they must be searched for first.",
        architecture=architecture(config),
        sources=[
            ("Cremer, Li and Duvenaud", "https://arxiv.org/abs/1801.03558"),
            ("Kingma and Welling", "https://arxiv.org/abs/1312.6114"),
            ("Bojanowski et al.", "https://arxiv.org/abs/1707.05776"),
        ],
        tries=[
            Try("See both models after one epoch", {"epoch": 1}),
            Try("Move z among the images' own latents", {"space": True}),
            Try("Refine one image's posterior and watch its bound rise", {"probe": True}),
            Try("Train with latents that start at draws of N(0, I) (Retrain, under start)"),
        ],
    )


def refined(encoder: float, refined: float, log_prob: float, standard_error: float) -> tuple[Figure, str]:
    """Return what refining one image's q has gained, and the bounds behind it; all in nats.

    Parameters
    ----------
    encoder, refined
        The ELBO with the encoder's q, and with the refined one.
    log_prob, standard_error
        The image's log p(x) and the error of its estimate.
    """
    gained = Figure("Gained by refining q", refined - encoder, "{:+.2f} nats")
    return gained, (
        f"ELBO {findings.value(encoder)} with the encoder's q, {findings.value(refined)} with the refined one; "
        f"log p(x) {findings.value(log_prob)} ± {standard_error:.2f} nats."
    )


def bound_course(bounds: Sequence[float], log_prob: float) -> Chart:
    """Return one image's bound while its q is refined, below its log p(x); nats at each step."""
    frame = pd.DataFrame({"samples": range(1, len(bounds) + 1), "log_prob": bounds})
    return Chart(charts.course, frame, alt="The bound while q is refined", settings={"log_prob": log_prob})


def tell(run: Run, epoch: int | None = None) -> Story:
    """Return the whole story of a finished run; by default at its last epoch."""
    tables = Tables(run)
    at = int(run.whole_history()["epoch"].max()) if epoch is None else epoch
    films = [one for one in (draws(run, at), reconstructions(run, at)) if one is not None]
    sections = [Section("Pictures", films), course([run], at), both_models(run, tables, at), slack(run, tables)]
    return Story(figures(run), sections, verdict(tables), references(run), how(run))
