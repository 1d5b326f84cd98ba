"""The two networks of the 2-D GAN as plain data: the trained modules and the browser's are made of them. No torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from core import layers as plain
from core.chapters.gan_2d.config import GAN2DConfig

CENTRE = 0.5
SCALE = 4.0  # points of the unit square, centred and scaled to about unit variance


def stacked(sizes: Sequence[int], activation: str, seeds: int = 1, member: int = 0) -> plain.Layers:
    """Return dense layers of one of several seeds, with an activation between them and none after the last."""
    layers: list[plain.Layer] = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layers += [*([plain.Activation(activation)] if number else []), _dense(inputs, outputs, number, seeds, member)]
    return tuple(layers)


def _dense(inputs: int, outputs: int, number: int, seeds: int, member: int) -> plain.StackedDense:
    return plain.StackedDense(inputs, outputs, number, seeds, member)


def generator_sizes(noise_dim: int, layers: int, neurons: int) -> list[int]:
    """Return the generator's inputs, hidden widths and outputs."""
    return [noise_dim, *[neurons] * layers, 2]


def discriminator_sizes(packing: int, layers: int, neurons: int, features: int) -> list[int]:
    """Return the discriminator's inputs (a pack of points with their waves), hidden widths and output."""
    return [(2 + 2 * features) * packing, *[neurons] * layers, 1]


def gain_of(loss: str) -> float:
    """Return what the discriminator's output is multiplied by.

    A critic gets 1 / SCALE: what has slope 1 in the network's own coordinates, where the usual rates are right for it,
    then has slope 1 in the square's.
    """
    return 1 / SCALE if loss == "wasserstein" else 1.0


def generator(config: GAN2DConfig, seeds: int = 1, member: int = 0) -> plain.Layers:
    """Return the layers from noise (noise_dim,) to a point of the unit square's coordinates (2,)."""
    sizes = generator_sizes(config.noise_dim, config.g_layers, config.g_neurons)
    return (*stacked(sizes, config.activation, seeds, member), plain.Affine(1 / SCALE, CENTRE))


def discriminator(config: GAN2DConfig, seeds: int = 1, member: int = 0) -> plain.Layers:
    """Return the layers from a pack of points (packing, 2) to its logit or critic value (1,)."""
    sizes = discriminator_sizes(config.packing, config.d_layers, config.d_neurons, config.d_features)
    waves = (plain.Waves(2, config.d_features, seeds, member),) if config.d_features else ()
    return (
        plain.Affine(SCALE, -CENTRE * SCALE),
        *waves,
        plain.Flatten(),
        *stacked(sizes, config.activation, seeds, member),
        plain.Affine(gain_of(config.loss)),
    )


def browser_network(layers: plain.Layers, key: str) -> list[dict[str, Any]]:
    """Return the layers as the browser computes them; all tensors stand under ``key``, as ``generator``."""
    return [spec for layer in layers for spec in plain.described_as(layer, key)]
