"""The configuration of the convolutional classifier."""

from __future__ import annotations

from dataclasses import dataclass

from core.options import Config, option


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """A small convolutional classifier of 28 x 28 images; the defaults are the recipe for MNIST."""

    epochs: int = option(15, "passes over the training data", low=1, high=200)
    width: int = option(16, "channels of the first convolution; later ones have 2 and 4 times as many", low=2, high=128)
    learning_rate: float = option(0.003, "highest rate of AdamW, after the warm-up", low=1e-6, high=1.0, scale="log")
    batch_size: int = option(128, "images in a batch", low=8, high=4096, scale="log")
    shift: int = option(2, "images are shifted by up to this much in training", low=0, high=6, unit="pixels")
    flip: bool = option(False, "mirror half of the images in training: for clothes, never for digits")
    erase: int = option(0, "side of a random square blanked in training (Cutout)", low=0, high=16, unit="pixels")
    ema: float = option(
        0.998,
        "memory of the averaged weights per step; 0 takes the latest",
        low=0.0,
        high=0.9999,
        advanced=True,
        formerly="averaging",
    )
    weight_decay: float = option(1e-4, "decay of the weights per step and rate", low=0.0, high=1.0, advanced=True)
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes (arXiv:1512.00567)", low=0.0, high=0.5, advanced=True
    )
    dropout: float = option(0.0, "share of features dropped before the last layer", low=0.0, high=0.9, advanced=True)
    warmup: float = option(0.3, "rising rate at the start", low=0.0, high=10.0, unit="epochs", advanced=True)
    precision: str = option(
        "auto",
        "arithmetic of the training; auto takes bfloat16 where the processor has it",
        choices=("auto", "float32", "bfloat16"),
        advanced=True,
    )
