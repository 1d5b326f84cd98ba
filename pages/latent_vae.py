"""Per-image latents: an encoder for all images, or every image for itself? Both from one start, side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.curves import curves
from core.data import DATASETS, load
from core.data.subsets import one_of_each
from core.errors import AtlasError
from core.families.log_probs import charts, findings
from core.families.log_probs.tables import SLACK_SETS
from core.families.vaes.findings import comparable, held_out_split
from core.families.vaes.layers import architecture
from core.runs.grids import compose, stack
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.vaes.probe import show_table_probe

OTHER_REPORT = {"train": -384.4, "test": -414.6}  # a report of the same exercise, per-image optimisation
TERMS = {"loss": "Negative ELBO", "reconstruction": "Reconstruction", "kl": "KL from the prior"}
STARTS = {
    "pca": "the principal components",
    "normal": "draws of N(0, I)",
    "encoder": "the encoder's values after one epoch",
}
SO_FAR = [
    ui.SoFar("kept_loss", "Per-image latents", "{:,.2f} nats"),
    ui.SoFar("kept_amortised_loss", "Encoder", "{:,.2f} nats"),
    ui.SoFar("train_loss", "Per-image latents, in training", "{:,.2f} nats"),
    ui.SoFar("train_amortised_loss", "Encoder, in training", "{:,.2f} nats"),
]
MODELS = {"latent": "latents", "amortised": "encoder"}


def show_headline(run: Run) -> None:
    """Show both models' log p(x) of training images and whose q is closer."""
    if ui.so_far(run, SO_FAR):
        return
    metrics, split = run.metrics, held_out_split(run)
    kept = f"{run.config.kept_images:,} training images"
    same = comparable(run)
    ui.headline(
        [
            ui.Figure(
                "Training log p(x)",
                metrics.get("train_log_prob_nats"),
                "{:,.2f} nats",
                note=(f"another report {findings.value(OTHER_REPORT['train'])} · " if same else "")
                + f"per-image latents, {kept}, not held out",
            ),
            ui.Figure(
                "Encoder less latents",
                metrics.get("log_prob_gap_nats"),
                "{:+,.2f} nats",
                note="log p(x) of the amortised twin minus that of the latents, same images",
            ),
            ui.Figure(
                "KL(q‖p(z|x)), latents",
                metrics.get("train_slack_nats"),
                "{:,.2f} nats",
                note="how far each image's own q is from its posterior",
            ),
            ui.Figure(
                "Amortisation gap",
                metrics.get("amortisation_gap_nats"),
                "{:,.2f} nats",
                note=f"what the encoder costs on {split} images, held out",
            ),
        ]
    )


def show_samples(run: Run, epoch: int) -> None:
    """Show the same ten draws decoded by both models after an epoch."""
    kinds = {"samples": "latents", "samples-amortised": "encoder"}
    there = {kind: word for kind, word in kinds.items() if epoch in run.sample_epochs(kind)}
    if not there:
        return
    with (
        ui.guarded(),
        ui.panel(
            f"Ten draws of z from N(0, I), decoded by both models after epoch {epoch}",
            help="Above the decoder trained with per-image latents, below the one trained with an encoder; the same z.",
        ),
    ):
        ui.image_grid(
            stack([np.asarray(ui.sample(run, epoch, kind)) for kind in there]),
            key="samples",
            alt=f"Ten draws decoded by both models after epoch {epoch}",
            scale=3,
            row_labels=list(there.values()),
        )


def originals(run: Run) -> np.ndarray | None:
    """Return the training images of the stored reconstructions as one row, None where they are not here."""
    try:
        split = load(run.config.data, "train")
    except AtlasError:
        return None
    return compose(split.images[one_of_each(split.labels)][None])


def show_reconstructions(run: Run, epoch: int) -> None:
    """Show one training image of each class and what both models make of it."""
    kinds = {"reconstructions-train": "latents", "reconstructions-train-amortised": "encoder"}
    there = {kind: word for kind, word in kinds.items() if epoch in run.sample_epochs(kind)}
    if not there:
        return
    with (
        ui.guarded(),
        ui.panel(
            f"Reconstructions of training images after epoch {epoch}",
            help="Decoded from each image's own mean, and from the mean that the encoder gives it.",
        ),
    ):
        above = originals(run)
        rows = [np.asarray(ui.sample(run, epoch, kind)) for kind in there]
        ui.image_grid(
            stack(rows if above is None else [above, *rows]),
            key="reconstructions",
            alt=f"Training images and their reconstructions by both models after epoch {epoch}",
            scale=3,
            row_labels=[*([] if above is None else ["image"]), *there.values()],
        )
        if above is None:
            st.caption(
                ":material/image_not_supported: The training images are not on this machine; "
                "get the data set on the home page to see them above."
            )


def show_curves(ch: ui.Chapter, epoch: int) -> None:
    """Show loss, reconstruction and KL of both models on the same training images, over epochs."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic axes", key="log")
        others = ui.overlay_runs(ch)
    for column, (name, title) in zip(ui.columns(len(TERMS)), TERMS.items(), strict=True):
        series = {f"kept_{name}": MODELS["latent"], f"kept_amortised_{name}": MODELS["amortised"]}
        words = (
            f"{ch.run.config.kept_images:,} training images after each epoch, same noise: per-image latents, encoder."
        )
        with column, ui.guarded(), ui.panel(title, help=words):
            frame = ui.overlaid([ch.run, *others], series)
            if frame.empty:
                st.caption("This run recorded nothing for this chart.")
                continue
            chart = ui.drawn(curves, frame, title_y="nats per image", log=log, epoch=epoch)
            ui.chart(chart, frame, key=f"curve-{name}", alt=f"{title} of both models over epochs")


def at_epoch(history: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return both models' terms at an epoch: over all training images while they trained, and the kept ones after."""
    row = history[history["epoch"] == epoch].iloc[0].to_dict()
    rows = []
    for words, prefix in ((MODELS["latent"], ""), (MODELS["amortised"], "amortised_")):
        terms = {title: row.get(f"kept_{prefix}{name}") for name, title in TERMS.items()}
        rows.append({"Model": words, **terms, "In training": row.get(f"train_{prefix}loss")})
    return pd.DataFrame(rows)


def show_comparison(run: Run, epoch: int) -> None:
    """Show both models' figures at the epoch, and at the end measured with importance sampling."""
    left, right = ui.columns(2)
    table = at_epoch(ui.history(run), epoch)
    with (
        left,
        ui.guarded(),
        ui.panel(
            f"Both models after epoch {epoch}",
            help="Means per image in nats, of the same training images; in training: of all, while weights moved.",
        ),
    ):
        numbers = {name: st.column_config.NumberColumn(format="%.2f") for name in table.columns if name != "Model"}
        ui.table(table, key="at-epoch", alt="Loss, reconstruction and KL of both models", column_config=numbers)
    if "comparison" not in run.tables():
        return
    final = ui.run_table(run, "comparison")
    final["model"] = final["model"].map(MODELS)
    with (
        right,
        ui.guarded(),
        ui.panel(
            "At the end, with importance sampling",
            help="Slack: log p(x) minus ELBO, which is KL(q‖p(z|x)). Effective samples: median.",
        ),
    ):
        titles = {"log_prob": "log p(x)", "log_prob_error": "± s.e.", "elbo": "ELBO", "slack": "slack"}
        config = {name: st.column_config.NumberColumn(words, format="%.2f") for name, words in titles.items()}
        config["effective_samples"] = st.column_config.NumberColumn("effective samples", format="%.0f")
        ui.table(
            final[["model", *titles, "effective_samples", "images"]],
            key="comparison",
            alt="Both models measured with importance sampling",
            column_config=config,
        )


def show_slack(run: Run) -> None:
    """Show the split of the slack."""
    summary = ui.run_table(run, "slack_summary")
    shown = summary[summary["set"] != "latent_held_out"].reset_index(drop=True)
    shown = shown.assign(name=shown["set"].map(SLACK_SETS))
    with (
        ui.guarded(),
        ui.panel(
            "What the bound leaves open, split in two",
            help="Each image's q is refined from where it stands, the decoder frozen. What refining gains is the "
            "amortisation gap; what is left to log p(x) is the approximation gap of a diagonal normal. For per-image "
            "latents the first part is what their own optimisation had left to do.",
        ),
    ):
        ui.chart(ui.drawn(charts.gaps, shown), shown, key="gaps", alt=findings.slack_sentence(summary))
        st.caption(findings.slack_sentence(summary))


def show_references(run: Run) -> None:
    """Show the run beside the report of the same exercise."""
    if not comparable(run):
        return
    metrics, split = run.metrics, held_out_split(run)
    protocol = "theirs averages the KL over dimensions and the error over pixels; here both are summed"
    rows = [
        ui.Reference(
            "Training log p(x), per-image latents (nats)",
            f"{metrics['train_log_prob_nats']:,.2f}",
            "worse than amortised",
            f"{OTHER_REPORT['train']}",
            "another report of the same exercise",
            f"{protocol}; {run.config.kept_images:,} images here",
        ),
        ui.Reference(
            f"{split.capitalize()} log p(x), per-image latents (nats)",
            f"{metrics[f'{split}_log_prob_nats']:,.2f}",
            "worse than amortised",
            f"{OTHER_REPORT['test']}",
            "as above",
            "q of every held-out image is refined from the prior, 200 images",
        ),
        ui.Reference(
            "Share of the slack that is amortisation (%)",
            f"{100 * metrics['amortisation_gap_nats'] / slack_of(metrics):.0f}",
            source="Cremer et al., arXiv:1801.03558",
            protocol="they find the amortisation gap to be a large part of the slack; other models and data",
        ),
    ]
    ui.references(rows)


def slack_of(metrics: dict[str, float]) -> float:
    """Return the whole slack on held-out images, in nats."""
    return max(metrics["amortisation_gap_nats"] + metrics["approximation_gap_nats"], 1e-9)


def show_how(run: Run) -> None:
    """Show formula, architecture, sources and what to try."""
    config = run.config
    ui.how_it_works(
        formula=r"\begin{gathered}\log p(x) - \mathrm{ELBO}(q) = "
        r"\underbrace{\log p(x) - \mathrm{ELBO}(q^*)}_{\text{approximation gap}} + "
        r"\underbrace{\mathrm{ELBO}(q^*) - \mathrm{ELBO}(q)}_{\text{amortisation gap}} \\ "
        r"q^*(z) = \arg\max_{\mu,\sigma}\mathrm{ELBO}\bigl(\mathcal{N}(\mu, \sigma^2)\bigr)\end{gathered}",
        text=f"With {ui.term('amortised inference')} one network gives q(z|x) for every image. Here every training "
        "image has a mean and a log-variance of its own, updated together with the decoder whenever the image is seen "
        f"({config.latent_steps} times per visit, the decoder once); they start at "
        f"{STARTS[config.start]}. "
        "The twin beside it has the same decoder, the same start, the same batches, and an encoder. A new image has "
        "no latents of its own: they must be searched for first.",
        architecture=architecture(config),
        source=[
            ("Cremer, Li and Duvenaud", "https://arxiv.org/abs/1801.03558"),
            ("Kingma and Welling", "https://arxiv.org/abs/1312.6114"),
            ("Bojanowski et al.", "https://arxiv.org/abs/1707.05776"),
        ],
        tries=[
            ui.Try("See both models after one epoch", {"epoch": 1}),
            ui.Try("Move z among the images' own latents", {"space": True}),
            ui.Try("Refine one image's posterior and watch its bound rise", {"probe": True}),
            ui.Try("Train with latents that start at draws of N(0, I) (Retrain, under start)"),
        ],
    )


def show_probe(run: Run) -> None:
    """Let the reader refine the encoder's posterior of one image and see the bound rise."""
    from core.chapters.latent_vae.probe import refine_one
    from core.chapters.latent_vae.train import build

    if not run.has_weights():
        ui.nothing_yet("No weights are kept yet", "They are written when training ends.")
        return
    modules = ui.cached_model(run, None, build)
    source = load("mnist-5k", "all") if run.config.data == "mnist" else load(run.config.data, "validation")
    left, right = st.columns([1, 2], gap="large")
    with left:
        place = ui.control(st.number_input, "Validation image", 0, len(source) - 1, value=0, key="image")
        steps = ui.control(st.select_slider, "Steps of refining", [50, 100, 200, 400], value=200, key="steps")
    found = refine_one(modules, source.images[place], run.config, steps=int(steps))
    with left:
        ui.image_grid(
            found.pictures[None],
            key="refined",
            alt=f"Validation image {place}, decoded from the encoder's mean and from the refined one",
            scale=3,
            column_labels=["image", "encoder", "refined"],
            caption=f"validation image {place:,}: {DATASETS[run.config.data].classes[int(source.labels[place])]}",
        )
    with right:
        st.metric("Gained by refining q", f"{found.refined - found.encoder:+.2f} nats".replace("-", "−"))
        st.caption(
            findings.plain(
                f"ELBO {found.encoder:.2f} with the encoder's q, {found.refined:.2f} with the refined one; "
                f"log p(x) {found.log_prob:.2f} ± {found.standard_error:.2f} nats."
            )
        )
        frame = pd.DataFrame({"samples": range(1, len(found.course) + 1), "log_prob": found.course})
        chart = ui.drawn(charts.course, frame, log_prob=found.log_prob)
        ui.chart(chart, frame, key="course", alt="The bound while q is refined")


def show_verdict(run: Run) -> None:
    """Say what the figures mean, computed from them."""
    comparison, summary = ui.run_table(run, "comparison"), ui.run_table(run, "slack_summary")
    ui.verdict(
        [
            findings.better_q_sentence(comparison),
            findings.models_sentence(comparison),
            findings.slack_sentence(summary),
        ]
    )


def show_page() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("latent_vae")
    run = ch.run
    show_headline(run)
    picture = st.container()
    epoch = ui.epoch_scrubber(ch)
    if not epoch:
        ui.no_epoch(run)
        return
    with picture:
        ui.part(show_samples, run, epoch)
    ui.part(show_reconstructions, run, epoch)
    ui.part(show_curves, ch, epoch)
    ui.part(show_comparison, run, epoch)
    if "slack_summary" in run.tables():
        ui.part(show_slack, run)
        ui.part(show_verdict, run)
        show_references(run)
    else:
        ui.not_evaluated(run, "The split of the slack and the verdict")
    with ui.probe("Move z, and see whose image lies where", key="space") as opened:
        if opened:
            with ui.guarded():
                show_table_probe(run, epoch)
    with ui.probe("Probe the model: refine one image's posterior", key="probe") as opened:
        if opened:
            with ui.guarded():
                show_probe(run)
    show_how(run)


with ui.guarded():
    show_page()
