"""What the tables of the log-probability and latents chapters say, in sentences computed from them. No torch here.

Tables are those of ``core.families.log_probs.tables``; values in nats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.families.log_probs.tables import UNRELIABLE, WANTED, short
from core.story import Verdict

CLEAR = 2.0  # standard errors: less of a difference is not called one
MARK = "†"
"""Stands behind the value of an image that has fewer effective samples than wanted."""


def verdict(
    tables: Mapping[str, pd.DataFrame], metrics: dict[str, float], split: str, label: int, wanted: float = WANTED
) -> Verdict:
    """Answer the chapter's question: which digit is the most probable, and why.

    Parameters
    ----------
    tables
        The run's tables by name: ``digits``, ``images_<split>``, ``contributions``, ``correlations``, ``explained``,
        ``matched`` and, where there is one, ``ais``.
    metrics
        The run's metrics.
    split
        The split that is reported.
    label
        The digit that the reader looks at; the further sentences are about it.
    wanted
        Effective samples below which an image is marked.
    """
    digits, terms = tables["digits"], tables["contributions"]
    own, train = (digits[digits["split"] == name] for name in (split, "train"))
    best = int(own["label"].to_numpy()[own["log_prob"].to_numpy().argmax()])
    more = [
        gap_sentence(train, own, split),
        *ink_sentences(tables["correlations"], tables["explained"]),
        matched_sentence(tables["matched"], label),
        *([split_sentence(terms, label)] if label != best else []),
    ]
    if "ais" in tables:
        more.append(estimators_sentence(tables["ais"]))
    baseline = baseline_sentence(metrics, split)
    return Verdict(
        [
            ranking_sentence(own),
            split_sentence(terms, best),
            reliability_sentence(tables[f"images_{split}"], split, wanted),
        ],
        [*more, *([baseline] if baseline else [])],
    )


def value_with_error(row: Mapping[str, Any], wanted: float = WANTED) -> str:
    """Return an image's log p(x) with its error, marked if it has fewer effective samples than wanted."""
    text = plain(f"{row['log_prob']:.1f} ± {max(row['standard_error'], 0.05):.1f}")
    return f"{text} {MARK}" if row["effective_samples"] < wanted else text


def mark_sentence(wanted: float = WANTED) -> str:
    """Say what the mark behind a value means."""
    return f"{MARK} fewer than {wanted:.0f} effective samples: the value is probably too low, and its error too small."


def samples_words(samples: int, most: int | None = None) -> str:
    """Return how many samples an image got: ``most`` is the cap where some got more than ``samples``."""
    return f"{samples:,} samples each" if most is None else f"{samples:,} to {most:,} samples each"


def sampling_words(proposal: str, wanted: float = WANTED) -> str:
    """Say what z is drawn from, r(z) in the formula, and for how long."""
    if proposal == "encoder":
        return "z is drawn from there, r = q(z|x), the same number of times for every image."
    return (
        "Around it, the posterior's mode, curvature and spread are found for every image, and z is drawn from a "
        f"mixture r of q(z|x) and two heavy-tailed distributions that fit them, until the draws are worth {wanted:.0f} "
        "independent ones. The error is at least that of weights whose largest are smoothed by a Pareto law."
    )


def reliability_sentence(images: pd.DataFrame, split: str, wanted: float = WANTED) -> str:
    """Say which share of the images has enough effective samples, and in which even the error is doubtful."""
    lacking = short(images, wanted)
    few = int(lacking.sum())
    if few:
        said = (
            f"{few:,} of {len(images):,} {split} images ({share_words(few, len(images))}) did not reach {wanted:.0f} "
            f"effective samples and are marked {MARK}"
        )
    else:
        said = f"All {len(images):,} {split} images have at least {wanted:.0f} effective samples"
    if "pareto_k" not in images:
        return f"{said}; the tail of their weights was not recorded."
    heavy = int((images["pareto_k"] > UNRELIABLE).sum())
    return (
        f"{said}; on {heavy:,} ({share_words(heavy, len(images))}) the weights' tail makes the error itself doubtful."
    )


def share_words(part: int, total: int) -> str:
    """Return a share as a percentage that is 0 only where there is none: ``3.6 %``, ``0.03 %``."""
    share = 100 * part / total
    return f"{share:.1f} %" if share >= 0.1 or part == 0 else f"{share:.2g} %"


def signed(nats: float, digits: int = 2) -> str:
    """Return a number with its sign, a true minus: ``+1.90``, ``−0.20``."""
    return plain(f"{nats:+.{digits}f}")


def plain(text: str) -> str:
    """Return a formatted number with a true minus."""
    return text.replace("-", "−")


def value(nats: float) -> str:
    """Return a number of nats with two decimals and a true minus."""
    return plain(f"{nats:.2f}")


def rows_by(frame: pd.DataFrame, key: str) -> dict[Any, dict[Any, Any]]:
    """Return a table's rows as plain numbers, by the value in one column."""
    return {row[key]: row for row in frame.to_dict("records")}


def ranking_sentence(digits: pd.DataFrame) -> str:
    """Say which digit is the most and which the least probable, and by how many standard errors the first leads."""
    ordered = digits.sort_values("log_prob", ascending=False).reset_index(drop=True)
    first, last = ordered.iloc[0], ordered.iloc[-1]
    said = (
        f"Digit **{int(first['label'])}** is the most probable ({value(first['log_prob'])} nats), digit "
        f"{int(last['label'])} the least ({value(last['log_prob'])})."
    )
    if len(ordered) < 2:
        return said
    second = ordered.iloc[1]
    lead = first["log_prob"] - second["log_prob"]
    error = math.hypot(first["error"], second["error"])
    if lead <= CLEAR * error:
        return f"{said} Its lead over digit {int(second['label'])} is within the error of the means."
    return f"{said} It leads digit {int(second['label'])} by {lead:.2f} ± {error:.2f} nats."


def gap_sentence(train: pd.DataFrame, held_out: pd.DataFrame, name: str) -> str:
    """Say by how much training images are more probable than held-out ones, from per-digit tables."""
    one, other = (whole(frame) for frame in (train, held_out))
    gap, error = one[0] - other[0], math.hypot(one[1], other[1])
    said = (
        f"A training image has {value(one[0])} nats on average, a {name} image {value(other[0])}: "
        f"a gap of {signed(gap)} ± {error:.2f} nats"
    )
    if gap <= CLEAR * error:
        return f"{said}, no more than the error of its measurement."
    return f"{said}: the model has learned its training images a little better than the digits in general."


def whole(digits: pd.DataFrame) -> tuple[float, float]:
    """Return mean log p(x) and its standard error over all images of a per-digit table."""
    n = digits["images"]
    mean = float((digits["log_prob"] * n).sum() / n.sum())
    between = n * (digits["log_prob"] - mean) ** 2
    variance = float(((n - 1) * digits["sd"] ** 2 + between).sum() / max(n.sum() - 1, 1))
    return mean, math.sqrt(variance / n.sum())


def ink_sentences(correlations: pd.DataFrame, explained: pd.DataFrame) -> list[str]:
    """Say how log p(x) goes with ink and with intrinsic dimension, and how much they explain."""
    r = correlations.set_index(["factor", "scope"])["pearson"]
    share = explained.set_index("by")["share"]
    parts = [
        f"{factor} (r = {signed(r[factor, 'all images'])} over all images, {signed(r[factor, 'within digits'])} within "
        "one digit)"
        for factor in dict.fromkeys(correlations["factor"])
    ]
    strongest = max(dict.fromkeys(correlations["factor"]), key=lambda name: abs(r[name, "all images"]))
    both, digit, every = (100 * float(share[name]) for name in ("both", "the digit alone", "all three"))
    return [
        f"log p(x) goes with {' and with '.join(parts)}: {strongest} is the stronger.",
        f"The two explain {both:.0f} % of its variance between images; knowing the digit alone explains {digit:.0f} %, "
        f"and the three together {every:.0f} %.",
    ]


def matched_sentence(matched: pd.DataFrame, label: int) -> str:
    """Say how much of a digit's advantage is left at equal ink, and at equal intrinsic dimension."""
    row = rows_by(matched, "label")[label]
    parts = []
    for column, words in (("ink", "ink"), ("intrinsic_dimension", "intrinsic dimension")):
        left, share = row[f"at_equal_{column}"], 100 * row[f"share_{column}"]
        if math.isfinite(left):
            parts.append(f"{signed(left)} at equal {words} (comparing {share:.0f} % of its images)")
    said = f"A {label} is {signed(row['raw'])} nats more probable than the other digits"
    return (
        f"{said}; what is left of it is {' and '.join(parts)}." if parts else f"{said}; no other digit is comparable."
    )


def split_sentence(contributions: pd.DataFrame, label: int) -> str:
    """Say which term of the bound a digit's advantage comes from."""
    row = rows_by(contributions, "label")[label]
    total = row["log_prob"]
    said = (
        f"Of its {signed(total)} nats over the other digits, reconstruction gives {signed(row['reconstruction'])}, KL "
        f"{signed(row['kl'])} and the bound's slack {signed(row['slack'])}"
    )
    if total <= 0:
        return f"{said}."
    names = {"reconstruction": "it is drawn more exactly", "kl": "less has to be said to describe it"}
    larger = max(names, key=lambda name: row[name])
    return f"{said}: mostly because **{names[larger]}** ({100 * row[larger] / total:.0f} %)."


def estimators_sentence(ais: pd.DataFrame) -> str:
    """Say how far annealed importance sampling is from importance sampling."""
    gap = float(ais["gap"].mean())
    error = float(ais["gap"].std(ddof=1)) / math.sqrt(len(ais)) if len(ais) > 1 else 0.0
    said = f"On {len(ais)} images annealed importance sampling differs by {signed(gap)} ± {error:.2f} nats"
    if abs(gap) <= CLEAR * error:
        return f"{said}: the two estimators agree."
    if gap > 0:
        return f"{said}: importance sampling misses that much, or less, since both err on the low side."
    return f"{said}: its chains are too short to reach what importance sampling finds."


def tightening_sentence(curve: pd.DataFrame) -> str:
    """Say what one sample and what the most samples give."""
    rows = curve.sort_values("samples")
    first, last = rows.iloc[0], rows.iloc[-1]
    before = rows.iloc[-2] if len(rows) > 1 else first
    return (
        f"One sample (the ELBO) falls {first['missing']:.2f} nats short of {int(last['samples']):,} samples; "
        f"{int(before['samples']):,} samples fall {before['missing']:.2f} short."
    )


def baseline_sentence(metrics: dict[str, float], split: str) -> str | None:
    """Say what the decoder gains over probabilistic PCA at the same sigma; None without a baseline."""
    own, pca = metrics.get(f"{split}_log_prob_nats"), metrics.get(f"ppca_all_{split}_log_prob_nats")
    if own is None or pca is None:
        return None
    return (
        f"Probabilistic PCA with every useful direction and the same sigma reaches {value(pca)} nats: the "
        f"non-linear decoder gains {signed(own - pca)}."
    )


def better_q_sentence(comparison: pd.DataFrame) -> str:
    """Say which of per-image latents and encoder is closer to its own model's posterior."""
    rows = rows_by(comparison, "model")
    own, twin = rows["latent"], rows["amortised"]
    error = math.hypot(own["slack_error"], twin["slack_error"])
    said = (
        f"KL(q‖p(z|x)) on the same training images: {own['slack']:.2f} nats with per-image latents, "
        f"{twin['slack']:.2f} with the encoder"
    )
    if abs(own["slack"] - twin["slack"]) <= CLEAR * error:
        return f"{said}: no difference beyond the error (± {error:.2f})."
    better = "the per-image latents" if own["slack"] < twin["slack"] else "the encoder"
    return f"{said}: **{better} estimates q better**, by {abs(own['slack'] - twin['slack']):.2f} ± {error:.2f} nats."


def models_sentence(comparison: pd.DataFrame) -> str:
    """Say which of the two models gives the training images more probability."""
    rows = rows_by(comparison, "model")
    own, twin = rows["latent"], rows["amortised"]
    difference = own["log_prob"] - twin["log_prob"]
    relation = "above" if difference > 0 else "below"
    return (
        f"As models of their training images, per-image latents reach log p(x) = {value(own['log_prob'])} nats, "
        f"{abs(difference):.2f} {relation} the amortised twin's {value(twin['log_prob'])}."
    )


def slack_sentence(summary: pd.DataFrame) -> str:
    """Say what the slack of the encoder's bound is made of, on held-out and on training images."""
    rows = rows_by(summary, "set")
    held, train = rows["amortised_held_out"], rows["amortised_train"]
    share = 100 * held["amortisation"] / held["slack"] if held["slack"] > 0 else math.nan
    growth = held["amortisation"] - train["amortisation"]
    error = math.hypot(held["amortisation_error"], train["amortisation_error"])
    said = (
        f"On held-out images the encoder's bound leaves {held['slack']:.2f} nats open: {held['approximation']:.2f} "
        f"because q is a diagonal normal, {held['amortisation']:.2f} ({share:.0f} %) because one encoder serves all"
    )
    if growth > CLEAR * error:
        return f"{said}; on training images the latter is {train['amortisation']:.2f}: the encoder itself overfits."
    return f"{said}; on training images the latter is {train['amortisation']:.2f}, no less beyond the error."
