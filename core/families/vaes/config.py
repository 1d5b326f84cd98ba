"""The configuration that every variational autoencoder has."""

from __future__ import annotations

from dataclasses import dataclass

from core.options import Config, option


@dataclass(frozen=True)
class VAEConfig(Config):
    """An amortised variational autoencoder (Kingma and Welling, arXiv:1312.6114)."""

    epochs: int = option(30, "passes over the training data", low=1, high=500)
    latent_dim: int = option(20, "dimensions of z", low=1, high=128)
    likelihood: str = option("gaussian", "distribution of a pixel given z", choices=("gaussian", "bernoulli"))
    sigma: float = option(
        0.4,
        "standard deviation of the Gaussian likelihood",
        low=0.01,
        high=10.0,
        scale="log",
        when=("likelihood", "gaussian"),
    )
    learning_rate: float = option(0.0015, "highest rate of Adam, after the warm-up", low=1e-6, high=1.0, scale="log")
    batch_size: int = option(200, "images in a batch", low=8, high=4096, scale="log")
    network: str = option(
        "dense",
        "layers of encoder and decoder: dense ones, or a dense one and two convolutions",
        choices=("dense", "convolutional"),
        advanced=True,
    )
    width: int = option(512, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    depth: int = option(
        2, "hidden layers of encoder and decoder", low=1, high=4, advanced=True, when=("network", "dense")
    )
    activation: str = option(
        "gelu", "activation of the hidden layers", choices=("relu", "elu", "gelu", "silu", "tanh"), advanced=True
    )
    warmup: float = option(1.0, "rising rate at the start", low=0.0, high=50.0, unit="epochs", advanced=True)
    ema: float = option(
        0.999,
        "memory of the averaged weights per step; 0 takes the latest",
        low=0.0,
        high=0.9999,
        advanced=True,
        formerly="averaging",
    )
    kl_weight: float = option(1.0, "weight of the KL term; 1 is the bound", low=0.0, high=100.0, advanced=True)
    kl_warmup: float = option(
        0.0, "the KL term's weight rises from 0 over this time", low=0.0, high=500.0, unit="epochs", advanced=True
    )
    binarise: bool = option(
        False, "train on black and white images, drawn anew each epoch from the grey values", advanced=True
    )
