"""The configuration of per-image latents."""

from __future__ import annotations

from dataclasses import dataclass

from core.families.vaes.config import VAEConfig
from core.options import option


@dataclass(frozen=True)
class LatentVAEConfig(VAEConfig):
    """A decoder with a mean and a log-variance per training image, beside an amortised twin of the same decoder."""

    width: int = option(512, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    start: str = option(
        "pca",
        "where latents start: draws of N(0, I), principal components, or the encoder's values after an epoch",
        choices=("normal", "pca", "encoder"),
    )
    latent_rate: float = option(0.05, "highest rate of the latents' Adam", low=1e-5, high=1.0, scale="log")
    latent_steps: int = option(2, "updates of an image's latents at each visit", low=1, high=50)
    kept_images: int = option(
        1000, "training images whose latents are kept with the run", low=20, high=5000, advanced=True
    )
    samples: int = option(
        1000, "samples of z per image when log p(x) is measured", low=2, high=5000, scale="log", advanced=True
    )
    refine_steps: int = option(
        400, "steps of refining each image's posterior, to split the slack", low=1, high=5000, advanced=True
    )
