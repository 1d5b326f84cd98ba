"""What the log-probability chapter says of a run: which digit is the most probable, how sure that is, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.chapters.log_probability.config import LogProbabilityConfig
from core.chapters.log_probability.digits import best_digit, digit_table, of_split
from core.chapters.log_probability.references import REPORT, REPORT_DIGITS, benchmark, references
from core.charts.curves import curves
from core.data import DATASETS, Split, availability, held_out, load
from core.families.log_probs import charts, findings
from core.families.log_probs.tables import extremes, thinned, typical
from core.families.vaes.findings import comparable, held_out_split
from core.families.vaes.layers import architecture
from core.runs.store import Run
from core.story import Chart, Column, Figure, Film, Gallery, How, Panel, Section, Story, Table, Try, Verdict
from core.telling import SoFar, Tables, overlaid, so_far

MEASURES = {"ink": "share of full ink", "intrinsic_dimension": "intrinsic dimension around the image"}
SCATTERED = 1500  # images drawn as points
SHOWN = 8  # most and least probable images
SO_FAR = (
    SoFar("validation_log_prob_nats", "log p(x), validation", "{:,.2f} nats", high=True),
    SoFar("validation_loss", "Negative ELBO, validation", "{:,.2f} nats"),
    SoFar("train_bound", "Training bound, negative", "{:,.2f} nats"),
)
# key -> title, history columns with their names, reading help
CURVES = {
    "bound": (
        "The bound that is trained",
        {"train_bound": "training bound", "validation_loss": "validation ELBO"},
        "Negative, per image. In the last epochs the training bound may be the importance-weighted one.",
    ),
    "log-prob": (
        "log p(x) of validation images",
        {"validation_log_prob_nats": "validation"},
        "After each epoch: 500 images with 50 samples each.",
    ),
}
CORRELATIONS = {
    "factor": Column("Measure"),
    "scope": Column("Of"),
    "pearson": Column("r", "+.3f"),
    "low": Column("from", "+.3f", "Lower end of the 95 % interval of r"),
    "high": Column("to", "+.3f", "Upper end of the 95 % interval of r"),
    "spearman": Column("rank ρ", "+.3f"),
    "n": Column("n", ","),
}


def config_of(run: Run) -> LogProbabilityConfig:
    """Return the run's config; RunError if the run is of another experiment."""
    return run.config_as(LogProbabilityConfig)


def measured(run: Run) -> bool:
    """Whether log p(x) of single images has been estimated."""
    return "digits" in run.tables()


def figures(run: Run, tables: Tables) -> list[Figure]:
    """Return mean, best digit, gap and the second estimator's difference, or how far the run is."""
    if not measured(run):
        return so_far(run, SO_FAR)
    split, metrics, config, same = held_out_split(run), run.metrics, config_of(run), comparable(run)
    digits, label = of_split(tables, split), best_digit(run, tables)
    best = digits[digits["label"] == label].iloc[0]
    most = config.most_samples if config.proposal == "fitted" else None
    return [
        Figure(
            f"Mean log p(x), {split}",
            metrics.get(f"{split}_log_prob_nats"),
            "{:,.2f} nats",
            report=REPORT["test"] if same else None,
            note=f"held out: {int(digits['images'].sum()):,} {split} images, "
            + findings.samples_words(config.samples, most),
            help="Importance sampling; higher is better.",
        ),
        Figure(
            f"Most probable: {DATASETS[config.data].classes[label]}",
            float(best["log_prob"]),
            "{:,.2f} nats",
            report=REPORT_DIGITS[label] if same else None,
            note=f"mean of its {int(best['images']):,} {split} images",
        ),
        Figure(
            "Training less held-out",
            metrics.get("gap_nats"),
            "{:+,.2f} nats",
            report=REPORT["train"] - REPORT["test"] if same else None,
            note="how much better it knows what it was trained on",
        ),
        Figure(
            "Second estimator",
            metrics.get("ais_gap_nats"),
            "{:+,.2f} nats",
            published="about +1 (Wu et al.)",
            note="annealed less importance sampling, on a few images of each digit",
        ),
    ]


def pictured_split(run: Run) -> str:
    """Return a held-out split whose pictures are on this machine: the bundled validation images stand in for test."""
    split = held_out_split(run)
    return "validation" if split == "test" and not availability(run.config.data).ready else split


def pictures(run: Run, split: str) -> Split:
    """Return a split's pictures from the lightest source."""
    return held_out(run.config.data) if split == "validation" else load(run.config.data, split)


def gallery(run: Run, split: str, rows: pd.DataFrame, *, label: bool = False) -> Gallery:
    """Return images of a split with log p(x) and its standard error below each, and on demand what each shows."""
    names, wanted = DATASETS[run.config.data].classes, config_of(run).wanted
    texts = []
    for row in rows.to_dict("records"):
        said = findings.value_with_error({str(name): value for name, value in row.items()}, wanted)
        texts.append(f"{names[int(row['label'])]}: {said}" if label else said)
    places = rows["index"].to_numpy(dtype=np.int64)

    def images() -> NDArray[np.uint8]:
        chosen: NDArray[np.uint8] = pictures(run, split).images[places]
        return chosen

    return Gallery(images, texts, f"{len(rows)} {split} images with log p(x) in nats")


def one_of_each(run: Run, tables: Tables) -> Panel:
    """Return one image of each digit with its log-probability: the one of median log p(x)."""
    split = pictured_split(run)
    body = gallery(run, split, typical(tables[f"images_{split}"]), label=True)
    help = (
        f"Of each digit the {split} image in the middle: half of its kind are more probable. In [[nat|nats]], ± the "
        f"standard error of the estimate. {findings.mark_sentence(config_of(run).wanted)}"
    )
    return Panel("typical", "One image of each digit with its log p(x)", body, help)


def draws(run: Run, epoch: int) -> Panel | None:
    """Return ten draws of z, decoded, epoch by epoch; None where none was recorded."""
    film = Film(run, {"samples": ""}, "Ten decoded draws", epoch)
    title = "Ten draws of z from N(0, I), decoded, epoch by epoch"
    return Panel("samples", title, film, "The same ten z at every epoch.") if film.there else None


def most_and_least(run: Run, tables: Tables, label: int) -> list[Panel]:
    """Return the most and the least probable images of a digit."""
    split = pictured_split(run)
    best, worst = extremes(tables[f"images_{split}"], label, SHOWN)
    help = f"log p(x) in nats below each. {findings.mark_sentence(config_of(run).wanted)}"
    name = DATASETS[run.config.data].classes[label]
    noun = f"{name}s" if name == str(label) else f"“{name}”"
    return [
        Panel("best", f"Most probable {noun} of the {split} images", gallery(run, split, best), help),
        Panel("worst", f"Least probable {noun} of the {split} images", gallery(run, split, worst), help),
    ]


def tightening(run: Run, tables: Tables, label: int) -> Panel:
    """Return how the estimate tightens with the number of samples: all digits, the chosen one, the fine-tuned model."""
    frame = tables["tightening"]
    parts = [frame[frame["label"] == -1].assign(series="all digits")]
    whole = parts[0]
    parts.append(frame[frame["label"] == label].assign(series=f"digit {label}"))
    if "tightening_iwae" in tables:
        tuned = tables["tightening_iwae"]
        parts.append(tuned[tuned["label"] == -1].assign(series="all digits, IWAE"))
    curve = pd.concat(parts, ignore_index=True).drop(columns="label")
    chart = Chart(
        charts.tightening, curve, alt="Bound against the number of samples", key=(run.digest, "tightening", label)
    )
    return Panel("tightening", "How the estimate tightens with samples", chart, findings.tightening_sentence(whole))


def ridges(run: Run, tables: Tables, label: int) -> Panel:
    """Return the distribution of log p(x) of each digit."""
    split = held_out_split(run)
    bars = tables["histogram"].query("split == @split").drop(columns="split").reset_index(drop=True)
    chart = Chart(
        charts.ridges,
        bars,
        alt="Distribution of log p(x) of each digit",
        settings={"chosen": label},
        key=(run.digest, "ridges", label),
    )
    title = f"How log p(x) is distributed, {split} images"
    return Panel("ridges", title, chart, "One ridge per digit, all of the same area.")


def terms(run: Run, tables: Tables, label: int) -> Panel:
    """Return which term of the bound each digit's advantage comes from."""
    frame = tables["contributions"]
    chart = Chart(
        charts.contributions,
        frame,
        alt="Advantage of each digit split into reconstruction, KL and slack",
        settings={"chosen": label},
        key=(run.digest, "contributions", label),
    )
    help = f"{findings.split_sentence(frame, label)} The mark is the sum of the three terms."
    return Panel("contributions", "Where a digit's advantage comes from", chart, help)


def correlations(tables: Tables, label: int) -> Panel:
    """Return how log p(x) goes with ink and intrinsic dimension."""
    table = Table(tables["correlations"], CORRELATIONS, "Correlation of log p(x) with ink and with intrinsic dimension")
    help = (
        "Between digits: of the ten means. Within digits: of what is left when each digit's mean is taken off. 95 % "
        f"intervals. {findings.matched_sentence(tables['matched'], label)}"
    )
    return Panel("correlations", "Correlations with log p(x)", table, help)


def scatters(run: Run, tables: Tables, label: int) -> list[Panel]:
    """Return log p(x) of single images against ink and against intrinsic dimension."""
    split = held_out_split(run)
    points = thinned(tables[f"images_{split}"][["label", "log_prob", *MEASURES]], SCATTERED)
    return [
        Panel(
            f"against-{name}",
            f"log p(x) against {title}",
            Chart(
                charts.against,
                points,
                alt=f"log p(x) of single images against {title}",
                settings={"x": name, "title_x": title, "chosen": label},
                key=(run.digest, "against", name, label),
            ),
            f"{len(points):,} {split} images, evenly picked; digit {label} in orange.",
        )
        for name, title in MEASURES.items()
    ]


def course(runs: Sequence[Run], epoch: int) -> Section:
    """Return the bound and the quick log p(x) over epochs, of the run and those beside it."""
    digests = tuple(run.digest for run in runs)
    return Section(
        "Course of training",
        [
            Panel(
                f"curve-{key}",
                title,
                Chart(
                    curves,
                    overlaid(runs, series),
                    alt=f"{title} over epochs",
                    settings={"title_y": "nats per image", "epoch": epoch},
                    key=(digests, key, epoch),
                ),
                words,
            )
            for key, (title, series, words) in CURVES.items()
        ],
    )


def second_estimator(run: Run, tables: Tables) -> Panel | None:
    """Return importance sampling beside annealed importance sampling; None where it was not run."""
    if "ais" not in tables:
        return None
    frame = tables["ais"]
    said = findings.estimators_sentence(frame)
    help = f"Chains from the prior to the posterior; they need no q. Bars: standard errors of the difference. {said}"
    chart = Chart(charts.estimators, frame, alt=said, key=(run.digest, "ais"))
    return Panel("ais", "A second estimator: annealed importance sampling", chart, help)


def images_of_digit(run: Run, tables: Tables, label: int) -> Section:
    """Return the digit's most and least probable images."""
    return Section("Images of the digit", most_and_least(run, tables, label))


def distribution(run: Run, tables: Tables, label: int) -> Section:
    """Return how log p(x) is distributed, and how its estimate tightens with more samples."""
    return Section("Distribution and samples", [ridges(run, tables, label), tightening(run, tables, label)])


def reasons(run: Run, tables: Tables, label: int) -> Section:
    """Return what explains log p(x): the terms of the bound, ink, intrinsic dimension."""
    panels = [terms(run, tables, label), correlations(tables, label), *scatters(run, tables, label)]
    return Section("Why it is probable", panels)


def elsewhere(run: Run, tables: Tables, runs: Sequence[Run]) -> Section:
    """Return the second estimator where it was run, and the binarised benchmark, of whichever run has it."""
    estimators = second_estimator(run, tables)
    return Section("Measured otherwise", [*([estimators] if estimators else []), benchmark(runs)])


def verdict(run: Run, tables: Tables, label: int | None = None) -> Verdict:
    """Return which digit is the most probable, why, and how sure that is; the rest, of the chosen digit, on demand."""
    chosen = best_digit(run, tables) if label is None else label
    return findings.verdict(tables, run.metrics, held_out_split(run), chosen, config_of(run).wanted)


def how(run: Run) -> How:
    """Return formula, architecture, sources and what to try."""
    config = config_of(run)
    return How(
        formula=r"\begin{gathered}\log p(x) \approx \log \frac1M \sum_{m=1}^{M} w_m, \qquad "
        r"w_m = \frac{p(x|z_m)\,p(z_m)}{r(z_m)}, \quad z_m \sim r \\ "
        r"\mathrm{s.e.} = \frac{\mathrm{sd}(w)}{\overline{w}\,\sqrt{M}}, \qquad "
        r"\mathrm{ESS} = \frac{(\sum w)^2}{\sum w^2}\end{gathered}",
        text="The [[encoder]] says where an image's [[latent]] z lies. "
        f"{findings.sampling_words(config.proposal, config.wanted)} Each draw is weighted by how well it explains the "
        "image ([[importance sampling]]). The mean weight is an unbiased estimate of p(x); its logarithm errs on the "
        "low side, less and less as samples are added. Sums are made with logsumexp, in chunks of at most 16 MB. "
        "[[annealed importance sampling|Annealed importance sampling]] checks the result with neither. Figures of "
        "[[held out]] images are of images that training has not seen.",
        architecture=architecture(config),
        sources=[
            ("Burda, Grosse and Salakhutdinov", "https://arxiv.org/abs/1509.00519"),
            ("Vehtari et al., heavy tails", "https://arxiv.org/abs/1507.02646"),
            ("Cappé et al., fitted proposals", "https://arxiv.org/abs/0710.4242"),
            ("Wu et al.", "https://arxiv.org/abs/1611.04273"),
            ("Tipping and Bishop", "https://doi.org/10.1111/1467-9868.00196"),
            ("Levina and Bickel", "https://papers.nips.cc/paper/2577"),
        ],
        tries=[
            Try("Look at the least probable digit's images", {"digit": "2"}),
            Try("Draw a digit and read its log p(x)", {"probe": True, "from": "Draw"}),
            Try("Pick a held-out image and watch its estimate settle", {"probe": True, "from": "Pick"}),
        ],
    )


def tell(run: Run, epoch: int | None = None, label: int | None = None, runs: Sequence[Run] = ()) -> Story:
    """Return the whole story of a measured run; by default at its last epoch, of its most probable digit."""
    tables = Tables(run)
    at = int(run.whole_history()["epoch"].max()) if epoch is None else epoch
    chosen = best_digit(run, tables) if label is None else label
    top = [one_of_each(run, tables), draws(run, at)]
    sections = [
        Section("Pictures", [panel for panel in top if panel is not None]),
        Section("Digits", [digit_table(run, tables, at)]),
        *(tell_of(run, tables, chosen) for tell_of in (images_of_digit, distribution, reasons)),
        course([run], at),
        elsewhere(run, tables, runs or [run]),
    ]
    return Story(figures(run, tables), sections, verdict(run, tables, chosen), references(run, tables), how(run))
