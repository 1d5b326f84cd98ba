"""The two networks of the 2-D GAN as plain data: the trained modules and the browser's are made of them. No torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import layers as plain
from core.chapters.gan_2d.config import GAN2DConfig

CENTRE = 0.5
SCALE = 4.0  # points of the unit square, centred and scaled to about unit variance


@dataclass(frozen=True)
class StackedDense(plain.Layer):
    """The linear layer of one of several seeds that are trained together, as this chapter keeps them.

    ``weights.N`` is (seeds, inputs, outputs), ``biases.N`` (seeds, 1, outputs); ``member`` is the seed's place.
    """

    kind = "stacked_dense"
    own_row = True
    inputs: int
    outputs: int
    number: int
    seeds: int = 1
    member: int = 0

    def output(self, shape: plain.Shape) -> plain.Shape:
        """Return (outputs,)."""
        if shape != (self.inputs,):
            raise self.refuse(shape)
        return (self.outputs,)

    def tensors(self) -> dict[str, plain.Tensor]:
        """Return weight and bias of all seeds."""
        return {
            "weight": plain.Tensor(f"weights.{self.number}", (self.seeds, self.inputs, self.outputs)),
            "bias": plain.Tensor(f"biases.{self.number}", (self.seeds, 1, self.outputs)),
        }

    def trained(self) -> int:
        """Return the weights of one seed."""
        return (self.inputs + 1) * self.outputs

    def words(self) -> str:
        """Return the layer in words."""
        return "Linear"


@dataclass(frozen=True)
class Waves(plain.Layer):
    """Random sines and cosines of points beside their coordinates (arXiv:2006.10739), each point by itself.

    ``waves`` (seeds, dimensions, features) holds the frequencies; ``member`` is the seed's place.
    """

    kind = "waves"
    dimensions: int
    features: int
    seeds: int = 1
    member: int = 0

    def output(self, shape: plain.Shape) -> plain.Shape:
        """Return (points, dimensions + 2 * features)."""
        if len(shape) != 2 or shape[1] != self.dimensions:
            raise self.refuse(shape)
        return (shape[0], self.dimensions + 2 * self.features)

    def tensors(self) -> dict[str, plain.Tensor]:
        """Return the frequencies of all seeds."""
        return {"waves": plain.Tensor("waves", (self.seeds, self.dimensions, self.features))}

    def trained(self) -> int:
        """Return 0: frequencies stay as they were drawn."""
        return 0

    def words(self) -> str:
        """Return the layer in words."""
        return f"{self.features} random sines and cosines of each point"


def stacked(sizes: Sequence[int], activation: str, seeds: int = 1, member: int = 0) -> plain.Layers:
    """Return dense layers of one of several seeds, with an activation between them and none after the last."""
    layers: list[plain.Layer] = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layers += [*([plain.Activation(activation)] if number else []), _dense(inputs, outputs, number, seeds, member)]
    return tuple(layers)


def _dense(inputs: int, outputs: int, number: int, seeds: int, member: int) -> StackedDense:
    return StackedDense(inputs, outputs, number, seeds, member)


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
    waves = (Waves(2, config.d_features, seeds, member),) if config.d_features else ()
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
