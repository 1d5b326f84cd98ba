"""The layers of the dense VAE as plain data, for the page. No torch."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from core.families.vaes.config import VAEConfig


def sizes(width: int, depth: int, latent_dim: int, x_dim: int = 784) -> tuple[list[int], list[int]]:
    """Return the layer sizes of encoder and decoder; the encoder ends in means and log-variances."""
    hidden = [width] * depth
    return [x_dim, *hidden, 2 * latent_dim], [latent_dim, *hidden, x_dim]


def channels_of(width: int) -> int:
    """Return the channels of the outer convolution beside a dense layer of ``width``; the inner one has twice that."""
    return max(1, width // 16)


def architecture(config: VAEConfig) -> pd.DataFrame:
    """Return the network layer by layer: ``Part``, ``Layer``, ``Output`` (numbers) and ``Weights``."""
    name = config.activation if config.activation == "tanh" else config.activation.upper()
    rows = _convolutional(config, name) if config.network == "convolutional" else _dense(config, name)
    return pd.DataFrame(rows, columns=["Part", "Layer", "Output", "Weights"])


ENDS = {"Encoder": "means and log-variances of q(z|x)", "Decoder": "logits of the pixels"}
Row = tuple[str, str, int, int]


def _dense(config: VAEConfig, activation: str) -> list[Row]:
    rows = []
    for part, chain in zip(ENDS, sizes(config.width, config.depth, config.latent_dim), strict=True):
        steps = list(pairwise(chain))
        for number, (inputs, outputs) in enumerate(steps, start=1):
            layer = f"Linear: {ENDS[part]}" if number == len(steps) else f"Linear, {activation}"
            rows.append((part, layer, outputs, (inputs + 1) * outputs))
    return rows


def _convolutional(config: VAEConfig, activation: str) -> list[Row]:
    width, latent_dim, c = config.width, config.latent_dim, channels_of(config.width)
    inner, outer = 2 * c * 49, c * 196
    conv = "4 × 4 convolution, stride 2"
    return [
        ("Encoder", f"{conv}, {c} channels, {activation}", outer, 17 * c),
        ("Encoder", f"{conv}, {2 * c} channels, {activation}", inner, (16 * c + 1) * 2 * c),
        ("Encoder", f"Linear, {activation}", width, (inner + 1) * width),
        ("Encoder", f"Linear: {ENDS['Encoder']}", 2 * latent_dim, (width + 1) * 2 * latent_dim),
        ("Decoder", f"Linear, {activation}", width, (latent_dim + 1) * width),
        ("Decoder", f"Linear, {activation}", inner, (width + 1) * inner),
        ("Decoder", f"Transposed {conv}, {c} channels, {activation}", outer, (32 * c + 1) * c),
        ("Decoder", f"Transposed {conv}, and a bias per pixel: {ENDS['Decoder']}", 784, 16 * c + 784),
    ]
