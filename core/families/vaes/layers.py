"""The layers of the VAEs as plain data: the networks, the page's table and the browser's are made of them. No torch."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from core import layers as plain
from core.families.vaes.config import VAEConfig

SIDE = 28
PIXELS = SIDE * SIDE
KERNEL = (4, 2, 1)  # side, stride, padding: the stride halves or doubles the side of the maps


def encoder(config: VAEConfig) -> plain.Layers:
    """Return the layers from a flat image (784,) to the means and log-variances of q(z|x), (2 * latent_dim,)."""
    if config.network == "convolutional":
        return conv_encoder(config.width, config.latent_dim, config.activation)
    return plain.perceptron([PIXELS, *[config.width] * config.depth, 2 * config.latent_dim], config.activation)


def decoder(config: VAEConfig) -> plain.Layers:
    """Return the layers from z (latent_dim,) to the pixels' logits (784,); a convolutional one ends in a bias."""
    if config.network == "convolutional":
        return (*conv_decoder(config.width, config.latent_dim, config.activation), plain.Bias(PIXELS))
    return plain.perceptron([config.latent_dim, *[config.width] * config.depth, PIXELS], config.activation)


def channels_of(width: int) -> int:
    """Return the channels of the outer convolution beside a dense layer of ``width``; the inner one has twice that."""
    return max(1, width // 16)


def conv_encoder(width: int, latent_dim: int, activation: str) -> plain.Layers:
    """Return two convolutions of stride 2 and two dense layers."""
    act, c = plain.Activation(activation), channels_of(width)
    return (
        plain.Unflatten((1, SIDE, SIDE)),
        plain.Conv2d(1, c, *KERNEL),
        act,
        plain.Conv2d(c, 2 * c, *KERNEL),
        act,
        plain.Flatten(),
        plain.Dense(2 * c * 49, width),
        act,
        plain.Dense(width, 2 * latent_dim),
    )


def conv_decoder(width: int, latent_dim: int, activation: str) -> plain.Layers:
    """Return two dense layers and two transposed convolutions: the encoder mirrored, without the bias per pixel."""
    act, c = plain.Activation(activation), channels_of(width)
    return (
        plain.Dense(latent_dim, width),
        act,
        plain.Dense(width, 2 * c * 49),
        act,
        plain.Unflatten((2 * c, 7, 7)),
        plain.ConvTranspose2d(2 * c, c, *KERNEL),
        act,
        plain.ConvTranspose2d(c, 1, *KERNEL, bias=False),
        plain.Flatten(),
    )


def browser_encoder(config: VAEConfig, key: str) -> list[dict[str, Any]]:
    """Return the encoder as the browser computes it; ``key`` is the encoder's place, as ``vae.encoder``."""
    return plain.described(encoder(config), key)


def browser_decoder(config: VAEConfig, key: str) -> list[dict[str, Any]]:
    """Return the decoder as the browser computes it; ``key`` is the decoder's place, as ``vae.decoder``."""
    layers = decoder(config)
    if config.network == "convolutional":
        return [*plain.described(layers[:-1], f"{key}.maps"), *plain.described_as(layers[-1], key)]
    return plain.described(layers, key)


ENDS = {"Encoder": "means and log-variances of q(z|x)", "Decoder": "logits of the pixels"}


def architecture(config: VAEConfig) -> pd.DataFrame:
    """Return the network layer by layer: ``Part``, ``Layer``, ``Output`` (numbers) and ``Weights``."""
    rows = []
    for part, layers, inputs in (
        ("Encoder", encoder(config), PIXELS),
        ("Decoder", decoder(config), config.latent_dim),
    ):
        found = plain.table(layers, (inputs,))
        words = [*(row.words for row in found[:-1]), f"{found[-1].words}: {ENDS[part]}"]
        rows += [(part, said, math.prod(row.shape), row.weights) for said, row in zip(words, found, strict=True)]
    return pd.DataFrame(rows, columns=["Part", "Layer", "Output", "Weights"])
