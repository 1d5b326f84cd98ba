"""Log-probability: which digit the model finds most probable, how sure that is, and why."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.charts.curves import curves
from core.data import DATASETS
from core.families.log_probs import charts, findings
from core.families.log_probs.tables import mean_with_error, thinned
from core.families.vaes.findings import comparable, held_out_split
from core.families.vaes.layers import architecture
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.log_probability import parts
from pages._ui.log_probability.parts import (
    OTHER_DIGITS,
    OTHER_REPORT,
    REPORT,
    REPORT_DIGITS,
    digit_table,
)

MEASURES = {"ink": "share of full ink", "intrinsic_dimension": "intrinsic dimension around the image"}
SCATTERED = 1500  # images drawn as points


SO_FAR = [
    ui.SoFar("validation_log_prob_nats", "log p(x), validation", "{:,.2f} nats", high=True),
    ui.SoFar("validation_loss", "Negative ELBO, validation", "{:,.2f} nats"),
    ui.SoFar("train_bound", "Training bound, negative", "{:,.2f} nats"),
]


def show_headline(run: Run, digits: pd.DataFrame) -> None:
    """Show mean, best digit, gap and the second estimator's difference."""
    split, metrics = held_out_split(run), run.metrics
    size = int(digits["images"].sum())
    best = digits.loc[digits["log_prob"].idxmax()]
    name = DATASETS[run.config.data].classes[int(best["label"])]
    same = comparable(run)
    ui.headline(
        [
            ui.Figure(
                f"Mean log p(x), {split}",
                metrics.get(f"{split}_log_prob_nats"),
                "{:,.2f} nats",
                report=REPORT["test"] if same else None,
                note=f"held out: {size:,} {split} images, {parts.samples_words(run)}",
                help="Importance sampling; higher is better.",
            ),
            ui.Figure(
                f"Most probable: {name}",
                float(best["log_prob"]),
                "{:,.2f} nats",
                report=REPORT_DIGITS[int(best["label"])] if same else None,
                note=f"mean of its {int(best['images']):,} {split} images",
            ),
            ui.Figure(
                "Training less held-out",
                metrics.get("gap_nats"),
                "{:+,.2f} nats",
                report=f"{REPORT['train'] - REPORT['test']:+.2f}" if same else None,
                note="how much better it knows what it was trained on",
            ),
            ui.Figure(
                "Second estimator",
                metrics.get("ais_gap_nats"),
                "{:+,.2f} nats",
                published="about +1 (Wu et al.)",
                note="annealed less importance sampling, on a few images of each digit",
            ),
        ]
    )


def show_one_of_each(run: Run) -> None:
    """Show one image of each digit with its log-probability: the one of median log p(x)."""
    split, images = parts.images_with_pictures(run)
    with (
        ui.guarded(),
        ui.panel(
            "One image of each digit with its log p(x)",
            help=f"Of each digit the {split} image in the middle: half of its kind are more probable. In nats, ± the "
            f"standard error of the estimate. {findings.mark_sentence(run.config.wanted)}",
        ),
    ):
        parts.show_images(run, split, parts.typical(images), key="typical", label=True)


def show_digits(run: Run, split: str, epoch: int) -> int:
    """Show the table per digit, sortable and heat-coloured; return the digit that is looked at."""
    at_epoch = parts.glance(ui.history(run), epoch)
    table = digit_table(run, split, at_epoch)
    names = DATASETS[run.config.data].classes
    with (
        ui.guarded(),
        ui.panel(
            "log p(x) per digit, in nats",
            help=f"Click a row to see that digit's most and least probable images, a heading to sort. Brighter is more "
            f"probable. At epoch: a quick look at 500 validation images after epoch {epoch}. PPCA: probabilistic PCA, "
            "exact, same sigma. Samples' worth: median effective sample size. "
            + findings.reliability_sentence(ui.run_table(run, f"images_{split}"), split, run.config.wanted),
        ),
    ):
        numbers = [name for name in table.columns if name != "digit"]
        probabilities = [
            name
            for name in numbers
            if name in {split, "train", "at epoch", "PPCA, same z", "PPCA, all z", "report", "other report"}
        ]
        styled = table.style.apply(charts.heat, subset=probabilities).format("{:,.2f}", subset=numbers, na_rep="–")
        config = {"digit": st.column_config.NumberColumn("digit", format="%d", pinned=True)}
        parts.take_row("digits", table["digit"].tolist())
        ui.table(
            styled,
            key=parts.table_key("digits"),
            alt="Mean log-probability of each digit and its parts",
            column_config=config,
            on_select="rerun",
            height="content",
        )
    options = [str(label) for label in table["digit"]]
    default = options.index(str(int(table.loc[table[split].idxmax(), "digit"])))
    chosen = ui.control(
        st.segmented_control, "Digit looked at", options, default=options[default], key="digit", required=True
    )
    if names[int(chosen)] != chosen:  # clothes have names
        st.caption(f"Class {chosen}: {names[int(chosen)]}")
    return int(chosen)


def show_extremes(run: Run, label: int) -> None:
    """Show the most and the least probable images of a digit."""
    split, images = parts.images_with_pictures(run)
    best, worst = parts.extremes(images, label)
    for column, (title, rows, key) in zip(
        ui.columns(2),
        (
            (f"Most probable {label}s", best, "best"),
            (f"Least probable {label}s", worst, "worst"),
        ),
        strict=True,
    ):
        with (
            column,
            ui.guarded(),
            ui.panel(
                f"{title} of the {split} images",
                help=f"log p(x) in nats below each. {findings.mark_sentence(run.config.wanted)}",
            ),
        ):
            parts.show_images(run, split, rows, key=key)


def show_distributions(run: Run, split: str, label: int) -> None:
    """Show the distribution per digit, and how the estimate tightens with the number of samples."""
    left, right = ui.columns(2)
    bars = ui.run_table(run, "histogram").query("split == @split").drop(columns="split").reset_index(drop=True)
    with (
        left,
        ui.guarded(),
        ui.panel(f"How log p(x) is distributed, {split} images", help="One ridge per digit, all of the same area."),
    ):
        chart = ui.drawn(charts.ridges, bars, chosen=label)
        ui.chart(chart, bars, key="ridges", alt="Distribution of log p(x) of each digit")
    tight = parts.tightening_table(run, label)
    whole = tight[tight["series"] == tight["series"].iloc[0]]
    with (
        right,
        ui.guarded(),
        ui.panel("How the estimate tightens with more samples", help=findings.tightening_sentence(whole)),
    ):
        ui.chart(ui.drawn(charts.tightening, tight), tight, key="tightening", alt="Bound against the number of samples")


def show_reasons(run: Run, label: int) -> None:
    """Show what explains log p(x): terms, ink, intrinsic dimension."""
    split = held_out_split(run)
    terms = ui.run_table(run, "contributions")
    images = ui.run_table(run, f"images_{split}")
    points = thinned(images[["label", "log_prob", *MEASURES]], SCATTERED)
    left, right = ui.columns(2)
    with (
        left,
        ui.guarded(),
        ui.panel(
            "Where a digit's advantage comes from",
            help=f"{findings.split_sentence(terms, label)} The mark is the sum of the three terms.",
        ),
    ):
        ui.chart(
            ui.drawn(charts.contributions, terms, chosen=label),
            terms,
            key="contributions",
            alt="Advantage of each digit split into reconstruction, KL and slack",
        )
    with (
        right,
        ui.guarded(),
        ui.panel(
            "Correlations with log p(x)",
            help="Between digits: of the ten means. Within digits: of what is left when each digit's mean is "
            "taken off. 95 % intervals.",
        ),
    ):
        ui.table(
            ui.run_table(run, "correlations"),
            key="correlations",
            alt="Correlation of log p(x) with ink and with intrinsic dimension",
            column_config={
                **{
                    name: st.column_config.NumberColumn(words, format="%.3f")
                    for name, words in {"pearson": "r", "low": "from", "high": "to", "spearman": "rank ρ"}.items()
                },
                "n": st.column_config.NumberColumn("n", format="localized"),
            },
            height="content",
        )
        st.caption(findings.matched_sentence(ui.run_table(run, "matched"), label))
    for column, (name, title) in zip(ui.columns(2), MEASURES.items(), strict=True):
        with (
            column,
            ui.guarded(),
            ui.panel(
                f"log p(x) against {title}",
                help=f"{len(points):,} {split} images, evenly picked; digit {label} in orange.",
            ),
        ):
            chart = ui.drawn(charts.against, points, x=name, title_x=title, chosen=label)
            ui.chart(chart, points, key=f"against-{name}", alt=f"log p(x) of single images against {title}")


def show_training(ch: ui.Chapter, epoch: int) -> None:
    """Show the bound over epochs, the quick log p(x) over epochs, and the samples of the epoch."""
    run = ch.run
    with ch.controls:
        others = ui.overlay_runs(ch)
    columns = {
        "The bound that is trained": {"train_bound": "training bound", "validation_loss": "validation ELBO"},
        "log p(x) of validation images": {"validation_log_prob_nats": "validation"},
    }
    for column, (title, series) in zip(ui.columns(2), columns.items(), strict=True):
        words = (
            "Negative, per image. In the last epochs the training bound may be the importance-weighted one."
            if "train_bound" in series
            else "After each epoch: 500 images with 50 samples each."
        )
        with column, ui.guarded(), ui.panel(title, help=words):
            frame = ui.overlaid([run, *others], series)
            if frame.empty:
                st.caption("This run recorded nothing for this chart.")
                continue
            chart = ui.drawn(curves, frame, title_y="nats per image", epoch=epoch)
            ui.chart(chart, frame, key=f"curve-{next(iter(series))}", alt=f"{title} over epochs")
    with ui.guarded():
        draws = ui.strip(run, "samples")
        if draws is None:
            return
        with ui.panel("Ten draws of z from N(0, I), decoded, epoch by epoch", help="The same ten z at every epoch."):
            ui.film([ui.Track([draws], "Ten decoded draws")], key="samples", epoch=epoch)


def show_second_estimator(run: Run) -> None:
    """Show importance sampling beside annealed importance sampling."""
    if "ais" not in run.tables():
        return
    frame = ui.run_table(run, "ais")
    with (
        ui.guarded(),
        ui.panel(
            "A second estimator: annealed importance sampling",
            help="Chains from the prior to the posterior; they need no q. Bars: standard errors of the difference.",
        ),
    ):
        ui.chart(ui.drawn(charts.estimators, frame), frame, key="ais", alt=findings.estimators_sentence(frame))
        st.caption(findings.estimators_sentence(frame))


def show_verdict(run: Run, label: int) -> None:
    """Say what the figures mean, computed from them."""
    split = held_out_split(run)
    names = ("digits", f"images_{split}", "contributions", "correlations", "explained", "matched", "ais")
    tables = {name: ui.run_table(run, name) for name in names if name in run.tables()}
    found = findings.verdict(tables, run.metrics, split, label, run.config.wanted)
    ui.verdict(found.answer, found.more)


def show_references(run: Run) -> None:
    """Show the run beside the reports of the same exercise."""
    split, metrics = held_out_split(run), run.metrics
    if not comparable(run):
        return
    protocol = (
        "they average the KL over dimensions and the error over pixels, so they do not train the bound that they report"
    )
    tuned = run.config.iwae_epochs
    if tuned:
        protocol += f"; this run's last {tuned} epochs train the {run.config.iwae_samples}-sample bound"
    rows = []
    for name, where in ((split, "test"), ("train", "train")):
        images = ui.run_table(run, f"images_{name}")
        mean, error = mean_with_error(images["log_prob"])
        rows.append(
            ui.Reference(
                f"Mean log p(x), {name} (nats)",
                f"{mean:,.2f} ± {error:.2f} (n = {len(images):,})",
                f"{REPORT[where]}",
                f"{OTHER_REPORT[where]}",
                "two reports of the same exercise, amortised VAE",
                protocol if name == split else "as above",
            )
        )
    digit = metrics.get(f"{split}_log_prob_digit_1")
    if digit is not None:
        rows.append(
            ui.Reference(
                "Digit 1 (nats)", f"{digit:,.2f}", f"{REPORT_DIGITS[1]}", f"{OTHER_DIGITS[1]}", "as above", "as above"
            )
        )
    ui.references(rows)


def show_how(run: Run) -> None:
    """Show formula, architecture, sources and what to try."""
    config = run.config
    ui.how_it_works(
        formula=r"\log p(x) \approx \log \frac1M \sum_{m=1}^{M} w_m, \qquad "
        r"w_m = \frac{p(x|z_m)\,p(z_m)}{q(z_m|x)}, \quad z_m \sim q(z|x), \qquad "
        r"\mathrm{s.e.} = \frac{\mathrm{sd}(w)}{\overline{w}\,\sqrt{M}}, \quad "
        r"\mathrm{ESS} = \frac{(\sum w)^2}{\sum w^2}",
        text=f"The {ui.term('encoder')} says where an image's {ui.term('latent')} z lies; z is drawn from there "
        f"{config.samples:,} times, and each draw is weighted by how well it explains the image "
        f"({ui.term('importance sampling')}). The mean weight is an unbiased estimate of p(x); its logarithm errs on "
        "the low side, less and less as samples are added. Sums are made with logsumexp, in chunks of at most 16 MB. "
        f"{ui.term('annealed importance sampling', 'Annealed importance sampling')} checks the result without q.",
        architecture=architecture(config),
        source=[
            ("Burda, Grosse and Salakhutdinov", "https://arxiv.org/abs/1509.00519"),
            ("Wu et al.", "https://arxiv.org/abs/1611.04273"),
            ("Tipping and Bishop", "https://doi.org/10.1111/1467-9868.00196"),
            ("Levina and Bickel", "https://papers.nips.cc/paper/2577"),
        ],
        tries=[
            ui.Try("Look at the least probable digit's images", {"digit": "2"}),
            ui.Try("Draw a digit and read its log p(x)", {"probe": True, "from": "Draw"}),
            ui.Try("Pick a held-out image and watch its estimate settle", {"probe": True, "from": "Pick"}),
        ],
    )


def show_top(run: Run, split: str) -> None:
    """Show the headline figures, from the table per digit."""
    digits = ui.run_table(run, "digits")
    show_headline(run, digits[digits["split"] == split])


def show_page() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("log_probability")
    run = ch.run
    split = held_out_split(run)
    measured = "digits" in run.tables()
    if measured:
        ui.part(show_top, run, split)
        ui.part(show_one_of_each, run)
    else:
        ui.so_far(run, SO_FAR)
    epoch = ui.epoch_scrubber(ch, film=True)
    if not epoch:
        ui.no_epoch(run, "Curves appear with it, log p(x) when training has ended.")
        return
    if not measured:
        ui.not_evaluated(run, "The estimates of log p(x) of single images")
        show_training(ch, epoch)
        return
    label = ui.part(show_digits, run, split, epoch)
    if label is not None:
        ui.part(show_extremes, run, label)
        ui.part(show_distributions, run, split, label)
        ui.part(show_reasons, run, label)
    ui.part(show_training, ch, epoch)
    ui.part(show_second_estimator, run)
    ui.part(parts.show_benchmark, ch.runs)
    if label is not None:
        ui.part(show_verdict, run, label)
    ui.part(show_references, run)
    with ui.probe("Probe the model", key="probe") as opened:
        if opened:
            with ui.guarded():
                parts.show_probe(run)
    show_how(run)


with ui.guarded():
    show_page()
