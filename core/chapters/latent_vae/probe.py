"""One image's posterior, refined: for the page's probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from core.chapters.latent_vae.config import LatentVAEConfig
from core.chapters.latent_vae.train import pictures
from core.data.images import as_tensor
from core.families.log_probs.importance import smooth_conditional
from core.families.log_probs.latent_model import LatentModel, estimate
from core.families.log_probs.refinement import RefineOptions, refine
from core.families.vaes.model import VAE
from core.families.vaes.task import inputs
from core.training.loop import seeded


@dataclass(frozen=True)
class Refined:
    """One image's posterior, refined: bounds in nats, the bound at each step, and three pictures (3, 28, 28)."""

    encoder: float
    refined: float
    log_prob: float
    standard_error: float
    course: list[float]
    pictures: NDArray[np.uint8]


def refine_one(
    modules: Mapping[str, nn.Module], image: NDArray[np.uint8], config: LatentVAEConfig, steps: int = 200
) -> Refined:
    """Refine the encoder's q of one image, uint8 (28, 28), with the twin's decoder frozen: for the page's probe."""
    vae = cast(VAE, modules["amortised"])
    model = LatentModel(vae, vae.widths, config.likelihood, config.sigma)
    generator = seeded(config.seed, "evaluation")
    x = inputs(as_tensor(image)[None], config, generator)
    start = model.encode(x)
    course: list[float] = []
    best = refine(
        smooth_conditional(vae.decode, config.likelihood, config.sigma),
        x,
        *(part.clone() for part in start),
        options=RefineOptions(steps=steps),
        generator=generator,
        on_step=lambda elbo: course.append(float(elbo.mean())),
    )
    before, after = (estimate(model, x, posterior=q, n_samples=1000, seed=config.seed) for q in (start, best))
    decoded = [pictures(vae, q[0])[0, 0] for q in (start, best)]
    shown = np.stack([image, *decoded])
    return Refined(
        float(before.elbo),
        float(after.elbo),
        float(after.log_prob),
        float(after.standard_error),
        course,
        shown,
    )
