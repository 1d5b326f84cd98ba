"""The state of a 2-D GAN in words, derived from its measures, as one reads its picture.

Three things are looked at: how much of the decision field is undecided, how far the two sets of points
overlap, and whether gradients remain for the generator to follow. Warnings say when the generator has
collapsed and when its arrows have vanished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

MOSTLY = 0.75
PARTLY = 0.25
FAR_JS, NEAR_JS = 0.35, 0.06  # nats, of at most log 2 = 0.693
VANISHED = 0.05  # sides of the square per unit of loss, below which an arrow moves nothing
ON_MODES = 0.25  # share of good samples from which a missing mode is a collapse rather than a beginning
COLLAPSED_SPREAD = 0.2
COLLAPSED_SIGMA = 0.15
WRONG = 0.02  # by so much must the generated points be taken for more real than the real ones


@dataclass(frozen=True)
class Reading:
    """What the measures say: sentences about the state, and warnings."""

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def read_state(measures: Mapping[str, float], *, loss: str, n_modes: int = 0, step: int = 1) -> Reading:
    """Return the state in words.

    Parameters
    ----------
    measures
        A frame's measures (see ``Camera.measures``); ``js``, ``arrow``, ``undecided``, ``level_real``,
        ``level_generated`` and ``spread`` are needed, those of modes where ``n_modes`` is not 0.
    loss
        The loss, for what "undecided" means.
    n_modes
        Number of known modes.
    step
        Training steps done: before the first there is nothing to warn of.
    """
    if not all(math.isfinite(measures.get(name, math.nan)) for name in ("js", "arrow", "undecided", "spread")):
        return Reading(("The measures are no longer numbers.",), ("The training has diverged: lower the rates.",))
    sentences = (_field(measures, loss), _overlap(measures), _gradients(measures))
    warnings = [one for one in (_collapse(measures, n_modes), _vanished(measures)) if one and step]
    return Reading(sentences, tuple(warnings))


def _field(measures: Mapping[str, float], loss: str) -> str:
    share, who = measures["undecided"], "critic" if loss == "wasserstein" else "discriminator"
    gap = measures["level_real"] - measures["level_generated"]
    if share >= MOSTLY:
        start = f"Undecided field: on {share:.0%} of the square the {who} cannot tell real from generated"
    elif share >= PARTLY:
        start = f"Partly decided field: {share:.0%} of the square is still grey"
    else:
        start = f"Decided field: only {share:.0%} of the square is grey"
    levels = f"real points get {measures['level_real']:.2f} and generated ones {measures['level_generated']:.2f}"
    return f"{start}; {levels}{', for now the wrong way round' if gap < -WRONG else ''}."


def _overlap(measures: Mapping[str, float]) -> str:
    value = measures["js"]
    if value >= FAR_JS:
        word = "The two sets hardly overlap"
    elif value > NEAR_JS:
        word = "The two sets overlap in part"
    else:
        word = "The two sets overlap"
    return f"{word}: JS divergence {value:.3f} nats of at most {math.log(2):.3f}."


def _gradients(measures: Mapping[str, float]) -> str:
    length = measures["arrow"]
    if length < VANISHED:
        word = "No gradient is left"
    elif measures["js"] <= NEAR_JS:
        word = "Gradients remain, and only shuffle points that already fit"
    else:
        word = "Gradients remain for the generator to follow"
    return f"{word}: the mean arrow is {length:.2g} long."


def _collapse(measures: Mapping[str, float], n_modes: int) -> str:
    if n_modes and measures["high_quality"] >= ON_MODES:
        covered = int(measures["modes"])
        if covered <= n_modes / 2:
            good = measures["high_quality"]
            return f"Mode collapse: {good:.0%} of the samples fit, but on {covered} of {n_modes} modes."
        if measures["sigma_ratio"] < COLLAPSED_SIGMA:
            return f"Collapse within modes: their spread is {measures['sigma_ratio']:.0%} of the real one."
    if measures["spread"] < COLLAPSED_SPREAD:
        return f"Collapse: the generated points spread over {measures['spread']:.0%} of the real spread."
    return ""


def _vanished(measures: Mapping[str, float]) -> str:
    if measures["arrow"] >= VANISHED or measures["js"] <= NEAR_JS:
        return ""
    return "Vanishing arrows: the sets differ, yet the generator has next to no gradient left to follow."
