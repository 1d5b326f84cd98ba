"""The layers of the dense VAE as plain data, for the page. No torch."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd


def sizes(width: int, depth: int, latent_dim: int, x_dim: int = 784) -> tuple[list[int], list[int]]:
    """Return the layer sizes of encoder and decoder; the encoder ends in means and log-variances."""
    hidden = [width] * depth
    return [x_dim, *hidden, 2 * latent_dim], [latent_dim, *hidden, x_dim]


def architecture(width: int, depth: int, latent_dim: int, activation: str) -> pd.DataFrame:
    """Return the network layer by layer: ``Part``, ``Layer``, ``Output`` (numbers) and ``Weights``."""
    rows = []
    name = activation if activation == "tanh" else activation.upper()
    ends = {"Encoder": "means and log-variances of q(z|x)", "Decoder": "logits of the pixels"}
    for part, chain in zip(ends, sizes(width, depth, latent_dim), strict=True):
        steps = list(pairwise(chain))
        for number, (inputs, outputs) in enumerate(steps, start=1):
            last = number == len(steps)
            layer = f"Linear: {ends[part]}" if last else f"Linear, {name}"
            rows.append((part, layer, outputs, (inputs + 1) * outputs))
    return pd.DataFrame(rows, columns=["Part", "Layer", "Output", "Weights"])
