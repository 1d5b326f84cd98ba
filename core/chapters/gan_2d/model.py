"""The two small networks of the 2-D GAN, and a way to train several seeds of them at once.

A multilayer perceptron here has a leading *seed* dimension: its weights are ``(seeds, inputs, outputs)``
and a batch is ``(seeds, n, inputs)``, so ten seeds cost little more than one. Nothing is shared between
seeds: each has its own weights, its own gradients and its own noise.

Points are in the unit square; the networks see them centred and scaled to about unit variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.chapters.gan_2d.layers import CENTRE, SCALE, StackedDense, discriminator_sizes, generator_sizes, stacked
from core.layers import Activation
from core.networks import build_layer

FREQUENCY = 8.0  # standard deviation of the random waves' frequencies, radians per centred unit


def centred(points: Tensor) -> Tensor:
    """Return points of the unit square in the networks' coordinates."""
    return (points - CENTRE) * SCALE


def squared(points: Tensor) -> Tensor:
    """Return points in the networks' coordinates as points of the unit square: the inverse of :func:`centred`."""
    return points / SCALE + CENTRE


class SeededMLP(nn.Module):
    """Perceptrons of one shape, one per seed.

    Parameters
    ----------
    sizes
        Inputs, hidden widths, outputs.
    activation
        A key of ``core.layers.ACTIVATIONS``, applied after every layer but the last.
    generators
        One per seed: each seed's weights are drawn from its own, uniformly in +- sqrt(3 / inputs) (unit gain),
        biases in +- 1 / sqrt(inputs), so a seed's network is the same whether it is trained alone or with others.
    """

    def __init__(self, sizes: Sequence[int], activation: str, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.act = build_layer(Activation(activation))
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer in stacked(sizes, activation):
            if not isinstance(layer, StackedDense):
                continue
            inputs, outputs = layer.inputs, layer.outputs
            bound = 1 / math.sqrt(inputs)
            weight = [torch.rand(inputs, outputs, generator=g).mul_(2).sub_(1) for g in generators]
            bias = [torch.rand(1, outputs, generator=g).mul_(2).sub_(1) for g in generators]
            self.weights.append(nn.Parameter(torch.stack(weight) * (bound * math.sqrt(3))))  # (S, in, out)
            self.biases.append(nn.Parameter(torch.stack(bias) * bound))  # (S, 1, out)

    @property
    def seeds(self) -> int:
        """Number of seeds S."""
        return int(self.weights[0].shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Map (S, n, inputs) to (S, n, outputs); an input of (n, inputs) is given to every seed."""
        if x.dim() == 2:
            x = x.expand(self.seeds, *x.shape)
        last = len(self.weights) - 1
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if index < last:
                x = self.act(x)
        return x


class Generator(SeededMLP):
    """Noise to points: (S, n, noise_dim) to (S, n, 2) in the unit square's coordinates, not confined to it."""

    def __init__(
        self, noise_dim: int, layers: int, neurons: int, activation: str, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__(generator_sizes(noise_dim, layers, neurons), activation, generators)

    def forward(self, z: Tensor) -> Tensor:
        """Return the points that the noise becomes."""
        return squared(super().forward(z))


class Discriminator(SeededMLP):
    """Points, in packs of ``packing``, to one logit (or critic value) a pack: (S, n, 2) to (S, n / packing).

    Packing (Lin et al., arXiv:1712.04086): the discriminator judges several points of one kind together, which
    shows it a lack of variety that no single point betrays.

    ``features`` random sines and cosines of each point stand beside its coordinates (Tancik et al.,
    arXiv:2006.10739): a plain perceptron is slow to learn detail as fine as the noise of the ring and the grid.

    ``gain`` multiplies the output (see ``gain_of`` beside the layers).
    """

    def __init__(
        self,
        packing: int,
        layers: int,
        neurons: int,
        activation: str,
        generators: Sequence[torch.Generator],
        *,
        features: int = 0,
        gain: float = 1.0,
    ) -> None:
        super().__init__(discriminator_sizes(packing, layers, neurons, features), activation, generators)
        self.waves: Tensor
        self.packing = packing
        self.features = features
        self.gain = gain
        waves = [torch.randn(2, features, generator=g) * FREQUENCY for g in generators]
        self.register_buffer("waves", torch.stack(waves))  # (S, 2, features), radians per unit

    def forward(self, points: Tensor) -> Tensor:
        """Return the logits of consecutive packs; n must be a multiple of ``packing``."""
        x = centred(points)
        if x.dim() == 2:
            x = x.expand(self.seeds, *x.shape)
        if self.features:
            phase = torch.bmm(x, self.waves)
            x = torch.cat([x, phase.sin(), phase.cos()], dim=-1)
        packs = x.reshape(x.shape[0], -1, x.shape[-1] * self.packing)
        return super().forward(packs)[..., 0] * self.gain
