"""The torch module of a list of layers. Layer i of the list is module i, so weights keep their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from core import layers as plain
from core.errors import ConfigError

ACTIVATIONS: dict[str, Callable[[plain.Activation], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "leaky": lambda layer: nn.LeakyReLU(layer.slope),
    "elu": lambda _: nn.ELU(),
    "gelu": lambda _: nn.GELU(),
    "silu": lambda _: nn.SiLU(),
    "tanh": lambda _: nn.Tanh(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "softplus": lambda _: nn.Softplus(),
}


class Bias(nn.Module):
    """A bias of its own for each value of the last dimension; starts at 0."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(Tensor(size).zero_())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (..., size) with the bias added."""
        return x + self.bias


class Affine(nn.Module):
    """Every value times ``scale``, plus ``shift``."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        """Return ``scale * x + shift``."""
        return self.scale * x + self.shift


def _convolution(kind: type[nn.Module]) -> Callable[[Any], nn.Module]:
    return lambda one: kind(one.inputs, one.outputs, one.kernel, one.stride, one.padding, bias=one.bias)


MODULES: dict[type[plain.Layer], Callable[[Any], nn.Module]] = {
    plain.Dense: lambda one: nn.Linear(one.inputs, one.outputs, bias=one.bias),
    plain.Conv2d: _convolution(nn.Conv2d),
    plain.ConvTranspose2d: _convolution(nn.ConvTranspose2d),
    plain.BatchNorm: lambda one: (nn.BatchNorm2d if one.maps else nn.BatchNorm1d)(one.channels, eps=one.eps),
    plain.Activation: lambda one: ACTIVATIONS[one.name](one),
    plain.MaxPool: lambda one: nn.MaxPool2d(one.kernel),
    plain.GlobalMaxPool: lambda _: nn.AdaptiveMaxPool2d(1),
    plain.Upsample: lambda one: nn.Upsample(scale_factor=one.scale, mode="nearest"),
    plain.Flatten: lambda _: nn.Flatten(),
    plain.Unflatten: lambda one: nn.Unflatten(1, one.shape),
    plain.Bias: lambda one: Bias(one.size),
    plain.Affine: lambda one: Affine(one.scale, one.shift),
}


def build_layer(layer: plain.Layer) -> nn.Module:
    """Return the freshly initialised torch module of one layer; ConfigError if torch has none for its kind."""
    make = MODULES.get(type(layer))
    if make is None:
        raise ConfigError(f"there is no torch module for {layer!r}", "Build that network by its chapter's own module")
    return make(layer)


def build(layers: Sequence[plain.Layer]) -> nn.Sequential:
    """Return the torch module of a list of layers, freshly initialised in their order.

    Raises
    ------
    ConfigError
        If there is no module for a layer.
    """
    return nn.Sequential(*(build_layer(layer) for layer in layers))
