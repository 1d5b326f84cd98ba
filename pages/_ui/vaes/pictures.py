"""The reconstructions that a run of the VAE recorded, as a track of a film."""

from __future__ import annotations

import numpy as np

from core.data.subsets import one_of_each
from core.errors import AtlasError
from core.runs.store import Run
from pages._ui.show.film import Track, still, strip
from pages._ui.vaes.probe import images_of

KINDS = {"validation": "reconstructions-validation", "train": "reconstructions-train"}
WORDS = {"validation": "validation", "train": "training"}


def originals(run: Run, split: str) -> np.ndarray | None:
    """Return the originals of the stored reconstructions, one of each class, None where they are not here."""
    try:
        source = images_of(run, split)
    except AtlasError:
        return None
    return source.images[one_of_each(source.labels)]


def reconstructions(run: Run, split: str) -> Track | None:
    """Return the reconstructions of one image of each class of a split, below the originals where they are here."""
    drawn = strip(run, KINDS[split], "x̂")
    if drawn is None:
        return None
    above = originals(run, split)
    strips = [drawn] if above is None else [still(above, "x"), drawn]
    alt = f"One {WORDS[split]} image of each class and its reconstruction"
    return Track(strips, alt, f"Reconstructions of {WORDS[split]} images")
