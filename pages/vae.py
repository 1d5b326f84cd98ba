"""Variational autoencoder: what it draws, what it keeps of an image, whether it overfits, what its latents mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.curves import curves
from core.data import DATASETS
from core.families.vaes import charts, findings
from core.families.vaes.layers import architecture
from core.runs.grids import stack
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.vaes.pictures import WORDS, reconstructions
from pages._ui.vaes.probe import listed, show_probe

STRIP = (1, 5, 10, 20, 30)
SAMPLES = "samples"
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


SO_FAR = [
    ui.SoFar("validation_loss", "Validation loss", "{:,.2f} nats"),
    ui.SoFar("train_loss", "Training loss", "{:,.2f} nats"),
    ui.SoFar("validation_reconstruction", "Reconstruction, validation", "{:,.2f} nats"),
    ui.SoFar("validation_kl", "KL, validation", "{:,.2f} nats"),
]
COLUMNS = {
    "measures": ("epoch", "split", "n", "loss", "standard_error", "reconstruction", "kl"),
    "per_class": ("epoch", "split", "label", "n", "loss", "reconstruction", "kl"),
    "latent_map": ("epoch", "index", "label", "x", "y", "loss", "neighbour"),
}


def tables_of(run: Run) -> dict[str, pd.DataFrame] | None:
    """Return the evaluation's tables, None before there are any; RunError if one lacks a column."""
    if not COLUMNS.keys() <= set(run.tables()):
        return None
    tables = {name: ui.run_table(run, name) for name in COLUMNS}
    for name, wanted in COLUMNS.items():
        missing = [column for column in wanted if column not in tables[name]]
        if missing:
            raise run.broken(f"tables/{name}.csv", f"it lacks the columns {missing}")
    return tables


def of_epoch(frame: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Return a table's rows of one epoch."""
    return frame[frame["epoch"] == epoch].drop(columns="epoch").reset_index(drop=True)


def elbo(run: Run) -> float | None:
    """Return the held-out ELBO of a run, if it has been evaluated."""
    if "test_elbo_nats" in run.metrics:
        return run.metrics["test_elbo_nats"]
    return -run.metrics["validation_loss"] if "validation_loss" in run.metrics else None


def show_headline(run: Run) -> None:
    """Show the run's final figures, or how far it is."""
    if ui.so_far(run, SO_FAR):
        return
    split, metrics = findings.held_out_split(run), run.metrics
    size = DATASETS[run.config.data].sizes[split]
    used = metrics.get("used_dimensions")
    ui.headline(
        [
            ui.Figure(
                f"{split.capitalize()} ELBO",
                elbo(run),
                "{:,.2f} nats",
                report=f"{signed(REPORT['test'])} (its log p, never below its ELBO)"
                if findings.comparable(run)
                else None,
                note=f"held out: {size:,} {split} images",
                help="Mean lower bound of log p(x) per image; higher is better.",
            ),
            ui.Figure(
                "Validation loss",
                metrics.get("validation_loss"),
                "{:,.2f} nats",
                note="negative ELBO of images not trained on",
            ),
            ui.Figure(
                "Overfit gap",
                metrics.get("overfit_gap"),
                "{:+,.2f} nats",
                note="validation loss less training loss, final weights, measured alike",
            ),
            ui.Figure(
                "Dimensions in use",
                used,
                f"{{:.0f}} of {run.config.latent_dim}",
                note=f"latent dimensions with at least {findings.UNUSED_NATS:g} nats of KL",
            ),
        ]
    )


def show_film(run: Run, epoch: int) -> None:
    """Show the ten fixed draws and the reconstructions of validation images as one film over the epochs."""
    draws = ui.strip(run, SAMPLES)
    tracks = [] if draws is None else [ui.Track([draws], "Ten decoded draws", "Ten draws of z from N(0, I), decoded")]
    pairs = reconstructions(run, "validation")
    with ui.panel(
        "What the decoder draws, epoch by epoch",
        help="The ten z are the same at every epoch: each column is one z, and only the decoder changes. "
        + EXPLAINED["validation"],
    ):
        ui.film([*tracks, *([] if pairs is None else [pairs])], key="samples", epoch=epoch)


def show_strip(run: Run, epoch: int) -> None:
    """Show the same draws after epochs 1, 5, 10, 20 and 30, or as far as the run has come."""
    there = run.sample_epochs(SAMPLES)
    shown = sorted({one for one in STRIP if one in there} | set(there[-1:]))
    if not shown:
        return
    with (
        ui.guarded(),
        ui.panel(
            f"The same draws after epochs {listed(shown)}",
            help="Rows are epochs; the scrubber shows any other one.",
        ),
    ):
        rows = stack([np.asarray(ui.sample(run, one, SAMPLES)) for one in shown])
        ui.image_grid(
            rows,
            key="strip",
            alt=f"The ten draws decoded after epochs {listed(shown)}",
            halves=True,
            row_labels=[f"▸{one}" if one == epoch else one for one in shown],
        )


def show_reconstructions(run: Run, epoch: int, split: str) -> None:
    """Show a film of the reconstructions of a split."""
    with ui.guarded():
        track = reconstructions(run, split)
        if track is None:
            return
        with ui.panel(f"{track.title}, epoch by epoch", help=EXPLAINED[split]):
            ui.film([replace(track, title="")], key=f"reconstructions-{split}", epoch=epoch)
            if len(track.strips) == 1:
                st.caption(
                    f":material/image_not_supported: The {WORDS[split]} images are not on this machine; "
                    "get the data set on the home page to see them beside."
                )


def show_curves(ch: ui.Chapter, epoch: int) -> None:
    """Show the whole loss, the reconstruction and the KL over epochs, each on an axis of its own."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic axes", key="log")
        smoothing = ui.control(st.slider, "Smoothing of curves", 0.0, 0.9, step=0.1, value=0.0, key="smoothing")
        others = ui.overlay_runs(ch)
    runs = [ch.run, *others]
    for column, (name, (title, words)) in zip(ui.columns(len(TERMS)), TERMS.items(), strict=True):
        columns = {f"train_{name}": "training", f"validation_{name}": "validation"}
        with column, ui.guarded(), ui.panel(title, help=words):
            frame = ui.overlaid(runs, columns)
            if frame.empty:
                st.caption("This run recorded nothing for this chart.")
                continue
            chart = ui.drawn(curves, frame, title_y="nats per image", log=log, smoothing=smoothing, epoch=epoch)
            ui.chart(chart, frame, key=f"curve-{name}", alt=f"{title} over epochs, training and validation")


def show_latent(run: Run, epoch: int, kept: int | None, every: pd.DataFrame | None) -> None:
    """Show the KL of each latent dimension at the epoch, and the latent map of the nearest kept epoch."""
    history = ui.history(run)
    dimensions = findings.kl_at(history, epoch)
    left, right = ui.columns(2)
    if len(dimensions):
        said = findings.dimensions_sentence(dimensions)
        nats = history.filter(regex=r"^kl_\d+$").to_numpy(float)
        ceiling = float(nats[np.isfinite(nats)].max(initial=0.0)) * 1.05 or 1.0
        chart = ui.drawn(charts.kl_bars, dimensions, ceiling=ceiling, threshold=findings.UNUSED_NATS)
        with (
            left,
            ui.panel(f"What each latent dimension carries after epoch {epoch}", help=f"{said} Validation images."),
        ):
            ui.chart(chart, dimensions, key="kl-dimensions", alt=said)
    if kept is None or every is None:
        return
    points = of_epoch(every, kept)
    with (
        right,
        ui.panel(
            f"Latent map after epoch {kept}: who is whose neighbour",
            help="Each figure is one validation image, placed by t-SNE so that neighbours in z stay neighbours; "
            "distances between far groups mean nothing.",
        ),
    ):
        ui.chart(
            ui.drawn(charts.latent_map, points, DATASETS[run.config.data].classes),
            points,
            key="latent-map",
            alt=f"Map of {len(points):,} encoded validation images. {findings.neighbours_sentence(points)}",
        )


def show_measures(run: Run, measures: pd.DataFrame, classes: pd.DataFrame, kept: int) -> None:
    """Show training against validation at the kept epochs, and the terms of each class."""
    split = findings.held_out_split(run)
    names = DATASETS[run.config.data].classes
    left, right = ui.columns(2)
    gaps = findings.gaps(measures, classes)
    with (
        left,
        ui.panel(
            "How much more a validation image costs than a training image",
            help="Whole splits, the same weights, the same function. Whiskers: ± standard error. Diamonds: every class "
            "counted alike, for the splits do not hold the classes in equal shares.",
        ),
    ):
        chart = ui.drawn(charts.gap_bars, gaps, epoch=kept)
        ui.chart(chart, gaps, key="gap", alt="Gap between validation and training loss at the kept epochs")
    rows = of_epoch(classes[classes["split"] == split], kept)
    rows = rows.assign(label=[names[label] for label in rows["label"]], elbo=-rows["loss"])
    with (
        right,
        ui.panel(f"Each class after epoch {kept}, {split} images", help="Means per image. Click a heading to sort."),
    ):
        nats = {
            name: st.column_config.NumberColumn(title, format="%.2f")
            for name, title in {
                "elbo": "ELBO (nats)",
                "reconstruction": "Reconstruction (nats)",
                "kl": "KL (nats)",
            }.items()
        }
        ui.table(
            rows[["label", *nats, "n"]],
            key="classes",
            alt="ELBO, reconstruction and KL of each class",
            column_config={"label": "Class", **nats, "n": st.column_config.NumberColumn("Images", format="localized")},
            height="content",
        )


def show_verdict(run: Run, tables: dict[str, pd.DataFrame], kept: int) -> None:
    """Say what the figures mean, computed from them."""
    now, history = {name: of_epoch(frame, kept) for name, frame in tables.items()}, ui.history(run)
    found = findings.gap(now["measures"], now["per_class"])
    dimensions = findings.kl_at(history, kept)
    ui.verdict(
        [
            findings.terms_sentence(now["measures"], findings.held_out_split(run), kept),
            *findings.overfitting_sentences(found, findings.course(history, kept)),
            *([findings.dimensions_sentence(dimensions)] if len(dimensions) else []),
            findings.neighbours_sentence(now["latent_map"]),
        ]
    )


def signed(value: float) -> str:
    """Return nats with a true minus sign."""
    return f"{value:,.2f}".replace("-", "−")


def show_references(run: Run) -> None:
    """Show the run beside the reports of the same exercise; all of another protocol, which is said."""
    held, metrics, same = findings.held_out_split(run), run.metrics, findings.comparable(run)
    figures = {held: elbo(run), "training": -metrics["train_loss"] if "train_loss" in metrics else None}
    rows = [
        ui.Reference(
            f"{name.capitalize()} ELBO (nats)",
            "–" if value is None else signed(value),
            signed(REPORT[name]) if same and name in REPORT else "–",
            "–",
            f"another report: {signed(OTHER_REPORT[name])}" if same and name in OTHER_REPORT else "",
            "theirs is log p(x) by importance sampling, which is never below the ELBO; they average the KL over "
            "dimensions and the error over pixels, so they do not train the bound that they report"
            if same
            else "no figure with this data set, likelihood and sigma",
        )
        for name, value in figures.items()
    ]
    ui.references(rows)


def show_how(ch: ui.Chapter) -> None:
    """Show formula, architecture, sources and what to try."""
    config = ch.run.config
    gaussian = config.likelihood == "gaussian"
    likelihood = (
        rf"\mathcal{{N}}\bigl(x;\,\hat x(z),\,{config.sigma:g}^2 I\bigr)"
        if gaussian
        else r"\prod_i \hat x_i(z)^{x_i}(1-\hat x_i(z))^{1-x_i}"
    )
    tries = [
        ui.Try("See the ten draws after one epoch, before the digits have formed", {"epoch": 1}),
        ui.Try("Move z with the pointer, and see whose images lie where it goes", {"probe": True}),
        ui.Try("Hold a z and scrub through the epochs: the same z becomes a digit", {"probe": True, "epoch": 1}),
    ]
    ui.how_it_works(
        formula=r"\log p(x) \;\ge\; \mathrm{ELBO}(x) = "
        r"\underbrace{\mathbb{E}_{q(z|x)}\log p(x|z)}_{-\,\text{reconstruction}} - "
        r"\underbrace{\mathrm{KL}\bigl(q(z|x)\,\|\,\mathcal{N}(0,I)\bigr)}_{\text{KL}}, \qquad "
        rf"p(x|z) = {likelihood}",
        text=f"The {ui.term('encoder')} reads an image and says where its {ui.term('latent')} z lies: a mean and a "
        f"variance for each of {config.latent_dim} dimensions. A z is drawn from there, and the {ui.term('decoder')} "
        "draws the image again. Training raises the bound: pictures should match, and z should say no more than it "
        f"must ({ui.term('KL divergence')}). Both terms are summed over pixels and dimensions and averaged over images "
        "only, so the bound that is trained is the bound that is shown. What is measured and kept is a running average "
        f"of the weights (memory {config.ema:g} per step).",
        architecture=architecture(config),
        source=[
            ("Kingma and Welling", "https://arxiv.org/abs/1312.6114"),
            ("Rezende, Mohamed and Wierstra", "https://arxiv.org/abs/1401.4082"),
            ("t-SNE", "https://www.jmlr.org/papers/v9/vandermaaten08a.html"),
        ],
        tries=tries,
    )


def show_evaluation(run: Run, epoch: int) -> None:
    """Show what is known of the weights of the kept epoch nearest to ``epoch``, and the verdict."""
    tables = tables_of(run)
    if tables is None:
        show_latent(run, epoch, None, None)
        ui.not_evaluated(run, "The verdict, the latent map and the tables")
        return
    if findings.held_out_split(run) not in set(tables["measures"]["split"]):
        raise run.broken("tables/measures.csv", f"it has no row of the {findings.held_out_split(run)} images")
    kept = int(min(tables["measures"]["epoch"].unique(), key=lambda one: (abs(one - epoch), -one)))
    show_latent(run, epoch, kept, tables["latent_map"])
    show_measures(run, tables["measures"], tables["per_class"], kept)
    show_verdict(run, tables, kept)


def show_page() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("vae")
    run = ch.run
    picture = st.container()
    epoch = ui.epoch_scrubber(ch, film=True)
    show_headline(run)
    if not epoch:
        ui.no_epoch(run)
        return
    with picture, ui.guarded():
        show_film(run, epoch)
    show_strip(run, epoch)
    show_reconstructions(run, epoch, "train")
    show_curves(ch, epoch)
    with ui.guarded():
        show_evaluation(run, epoch)
    show_references(run)
    with ui.probe("Probe the model", key="probe") as opened:
        if opened:
            with ui.guarded():
                show_probe(run, epoch)
    show_how(ch)


with ui.guarded():
    show_page()
