"""The configuration of a model whose log-probabilities are measured."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ConfigError
from core.families.vaes.config import VAEConfig
from core.options import option


@dataclass(frozen=True)
class LogProbabilityConfig(VAEConfig):
    """A variational autoencoder whose log p(x) is measured image by image (Burda et al., arXiv:1509.00519)."""

    width: int = option(768, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    samples: int = option(
        1000, "samples of z per image when log p(x) is measured, at the least", low=10, high=5000, scale="log"
    )
    proposal: str = option(
        "fitted",
        "what they are drawn from: a proposal fitted to each image's posterior, or the encoder's q(z|x) as it is",
        choices=("fitted", "encoder"),
        advanced=True,
    )
    wanted: int = option(
        20,
        "effective samples that end the drawing from a fitted proposal",
        low=1,
        high=5000,
        advanced=True,
        when=("proposal", "fitted"),
    )
    most_samples: int = option(
        16_000,
        "most samples of z per image from a fitted proposal",
        low=10,
        high=1_000_000,
        scale="log",
        advanced=True,
        when=("proposal", "fitted"),
    )
    iwae_epochs: int = option(
        0, "how many of the epochs, the last ones, train a copy on the importance-weighted bound", low=0, high=1000
    )
    iwae_samples: int = option(
        10, "samples per image of the importance-weighted bound", low=2, high=100, advanced=True, when=("iwae_epochs",)
    )
    keep_plain: bool = option(
        True,
        "keep and measure the model from before the importance-weighted epochs as well",
        advanced=True,
        when=("iwae_epochs",),
    )
    iwae_rate: float = option(
        0.0005,
        "highest rate on the importance-weighted bound",
        low=1e-6,
        high=1.0,
        scale="log",
        advanced=True,
        when=("iwae_epochs",),
    )
    train_images: int = option(
        10_000, "training images whose log p(x) is measured, evenly spaced", low=20, high=60_000, advanced=True
    )
    validation_images: int = option(
        5000, "validation images whose log p(x) is measured, evenly spaced", low=20, high=5000, advanced=True
    )
    ais_images: int = option(
        5, "images of each class checked by annealed importance sampling", low=0, high=50, advanced=True
    )
    ais_temperatures: int = option(
        500,
        "temperatures of annealed importance sampling",
        low=1,
        high=10_000,
        scale="log",
        advanced=True,
        when=("ais_images",),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iwae_epochs >= self.epochs:
            raise ConfigError(
                f"iwae_epochs = {self.iwae_epochs} leaves no epoch of the {self.epochs} for the plain bound",
                "Give fewer than epochs",
            )
        if self.most_samples < self.samples:
            raise ConfigError(
                f"most_samples = {self.most_samples} is less than samples = {self.samples}", "Give at least samples"
            )
