"""What the figures of a 2-D GAN say over its seeds, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

REACHED_JS = 0.05
GOOD = 0.95
NARROW, WIDE = 0.8, 1.25


def seeds_in_words(metrics: Mapping[str, float]) -> str:
    """Return ``one seed`` or ``10 seeds``."""
    n = int(metrics.get("trials", 1))
    return "one seed" if n == 1 else f"{n} seeds"


def divergence_sentence(metrics: Mapping[str, float]) -> str:
    """Return how far the generated points are from the real ones, beside what real points themselves measure."""
    mean, spread, floor = metrics["js_mean"], metrics["js_std"], metrics["js_floor"]
    n = int(metrics.get("trials", 1))
    value = f"{mean:.3f} ± {spread:.3f}" if n > 1 else f"{mean:.3f}"
    if mean <= REACHED_JS:
        verdict = "the generator has learned the distribution"
    elif mean >= 0.5 * math.log(2):
        verdict = "the two sets hardly overlap"
    else:
        verdict = "the two sets overlap in part"
    return (
        f"Over {seeds_in_words(metrics)} the JS divergence is {value} nats (fresh real points measure {floor:.2g}, "
        f"disjoint sets {math.log(2):.3f}): {verdict}."
    )


def mode_sentences(metrics: Mapping[str, float], n_modes: int, *, curve: bool) -> list[str]:
    """Return what the seeds cover of the known modes, and how well; nothing where none are known."""
    if not n_modes or "modes_min" not in metrics:
        return []
    noun = "pieces of the curve" if curve else "modes"
    worst, mean, good = int(metrics["modes_min"]), metrics["modes_mean"], metrics["high_quality_mean"]
    if worst == n_modes:
        covered = f"Every seed covers all {n_modes} {noun}"
    elif mean <= n_modes / 2:
        covered = f"It collapses: {mean:.1f} of {n_modes} {noun} on average, {worst} at worst"
    else:
        covered = f"{mean:.1f} of {n_modes} {noun} are covered on average, {worst} at worst"
    quality = "" if good >= GOOD else ": the others lie between"
    sentences = [f"{covered}; {good:.1%} of the samples lie within 3 sigma of one{quality}."]
    ratio = metrics["sigma_ratio_mean"]
    if ratio < NARROW:
        sentences.append(f"Within a mode they spread over {ratio:.0%} of the real width: too narrow.")
    elif ratio > WIDE:
        sentences.append(f"Within a mode they spread over {ratio:.0%} of the real width: too wide.")
    else:
        sentences.append(f"Within a mode they spread over {ratio:.0%} of the real width.")
    return sentences
