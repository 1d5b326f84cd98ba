"""The table per digit: log p(x) of both splits, its terms, the baselines and the reports; values in nats."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.chapters.log_probability.config import LogProbabilityConfig
from core.chapters.log_probability.references import OTHER_DIGITS, REPORT_DIGITS
from core.families.log_probs import charts, findings
from core.families.vaes.findings import comparable, held_out_split
from core.runs.store import Run
from core.story import Column, Panel, Table
from core.telling import Tables


def of_split(tables: Tables, split: str) -> pd.DataFrame:
    """Return the rows per digit of a split."""
    digits = tables["digits"]
    return digits[digits["split"] == split].reset_index(drop=True)


def best_digit(run: Run, tables: Tables) -> int:
    """Return the digit of the highest mean log p(x)."""
    own = of_split(tables, held_out_split(run))
    return int(own["label"].to_numpy()[own["log_prob"].to_numpy().argmax()])


def glance(history: pd.DataFrame, epoch: int) -> dict[int, float]:
    """Return the quick validation log p(x) of each digit after an epoch."""
    row = history[history["epoch"] == epoch]
    prefix = "validation_log_prob_digit_"
    columns = [name for name in history.columns if name.startswith(prefix)]
    return {int(name.removeprefix(prefix)): float(row[name].iloc[0]) for name in columns if len(row)}


def digit_frame(run: Run, tables: Tables, epoch: int) -> pd.DataFrame:
    """Return the table per digit: both splits, the quick look at an epoch, terms, baselines and the reports."""
    split = held_out_split(run)
    own = of_split(tables, split).set_index("label")
    frame = own[["log_prob", "error", "reconstruction", "kl", "slack", "effective_samples"]].copy()
    frame["train"] = of_split(tables, "train").set_index("label")["log_prob"].reindex(own.index)
    quick = glance(run.whole_history(), epoch)
    if quick:
        frame["quick"] = [quick.get(label, np.nan) for label in own.index]
    if "baselines" in tables:
        exact = tables["baselines"].query("split == @split")
        for model in ("ppca", "ppca_all"):
            frame[model] = exact[exact["model"] == model].set_index("label")["log_prob"].reindex(own.index)
    if comparable(run):
        frame["report"] = [REPORT_DIGITS[label] for label in own.index]
        frame["other_report"] = [OTHER_DIGITS[label] for label in own.index]
    return frame.rename_axis("digit").reset_index()


def digit_table(run: Run, tables: Tables, epoch: int) -> Panel:
    """Return log p(x) per digit as a table, coloured by column."""
    split, wanted = held_out_split(run), run.config_as(LogProbabilityConfig).wanted
    probabilities = {
        "log_prob": Column(split, ",.2f", f"Mean log p(x) of its {split} images"),
        "train": Column("train", ",.2f", "Mean log p(x) of its training images"),
        "quick": Column("at epoch", ",.2f", "A quick look at validation images after the epoch"),
        "ppca": Column("PPCA, same z", ",.2f", "Probabilistic PCA with as many latents, exact, same sigma"),
        "ppca_all": Column("PPCA, all z", ",.2f", "Probabilistic PCA with every useful direction, exact, same sigma"),
        "report": Column("report", ",.2f"),
        "other_report": Column("other report", ",.2f"),
    }
    columns = {
        "digit": Column("digit", "d", pinned=True),
        "log_prob": probabilities["log_prob"],
        "error": Column("± s.e.", ".2f", "Standard error of the mean over images"),
        **{name: probabilities[name] for name in ("train", "quick")},
        "reconstruction": Column("reconstruction", ",.2f"),
        "kl": Column("KL", ",.2f"),
        "slack": Column("slack", ",.2f", "log p(x) minus ELBO"),
        **{name: probabilities[name] for name in ("ppca", "ppca_all", "report", "other_report")},
        "effective_samples": Column("samples' worth", ",.0f", "Median effective sample size"),
    }
    frame = digit_frame(run, tables, epoch)
    shown = {name: column for name, column in columns.items() if name in frame}
    table = Table(
        frame,
        shown,
        "Mean log-probability of each digit and its parts",
        clickable=True,
        coloured=[name for name in probabilities if name in frame],
        colour=charts.heat,
    )
    help = (
        "Click a row to see that digit's most and least probable images, a heading to sort. Brighter is more probable. "
        f"At epoch: a quick look at 500 validation images after epoch {epoch}. PPCA: probabilistic PCA, exact, same "
        "sigma. Samples' worth: median effective sample size. "
        + findings.reliability_sentence(tables[f"images_{split}"], split, wanted)
    )
    return Panel("digits", "log p(x) per digit, in nats", table, help)
