"""Networks as plain data: a list of layers, from which torch, the page's table and the browser each make their own.

One truth, three readers: :func:`core.networks.build` makes the torch module, :func:`table` the architecture table, and
:func:`described` what ``pages/_ui/runtime/network.js`` computes with. Importing this loads no torch.

Shapes are those of one item, without the batch: ``(20,)``, or ``(channels, height, width)``.

Examples
--------
>>> layers = perceptron([20, 400, 784], "relu")
>>> shape_after(layers, (20,))
(784,)
>>> [(row.words, row.weights) for row in table(layers, (20,))]
[('Linear, ReLU', 8400), ('Linear', 314384)]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from core.errors import ConfigError

Shape = tuple[int, ...]

ACTIVATIONS = {
    "relu": "ReLU",
    "leaky": "leaky ReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "softplus": "softplus",
}


class Tensor(NamedTuple):
    """A tensor that a layer keeps: its name within the layer, and its shape."""

    name: str
    shape: Shape


@dataclass(frozen=True)
class Layer:
    """What every layer answers. ``kind`` is its name for the browser; ``own_row`` whether a table gives it one."""

    kind: ClassVar[str]
    own_row: ClassVar[bool] = False

    def output(self, shape: Shape) -> Shape:
        """Return the shape after the layer; ConfigError if it does not take one of this shape."""
        return shape

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors it keeps, by their role."""
        return {}

    def trained(self) -> int:
        """Return the number of weights that training changes."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors().values())

    def words(self) -> str:
        """Return the layer in words; empty where there is nothing to say."""
        return ""

    def refuse(self, shape: Shape) -> ConfigError:
        """Return the error for a shape that the layer does not take."""
        return ConfigError(f"the layer {self!r} does not take the shape {shape}", "Give layers that fit together")


@dataclass(frozen=True)
class Dense(Layer):
    """A linear layer: ``weight`` (outputs, inputs), ``bias`` (outputs,)."""

    kind = "dense"
    own_row = True
    inputs: int
    outputs: int
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        """Return (outputs,)."""
        if shape != (self.inputs,):
            raise self.refuse(shape)
        return (self.outputs,)

    def tensors(self) -> dict[str, Tensor]:
        """Return weight and bias."""
        bias = {"bias": Tensor("bias", (self.outputs,))} if self.bias else {}
        return {"weight": Tensor("weight", (self.outputs, self.inputs)), **bias}

    def words(self) -> str:
        """Return the layer in words."""
        return "Linear"


@dataclass(frozen=True)
class _Convolution(Layer):
    own_row = True
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        """Return (outputs, height, width)."""
        if len(shape) != 3 or shape[0] != self.inputs:
            raise self.refuse(shape)
        sides = tuple(self._side(side) for side in shape[1:])
        if min(sides) < 1:
            raise self.refuse(shape)
        return (self.outputs, *sides)

    def _side(self, side: int) -> int:
        raise NotImplementedError

    def _weight(self) -> Shape:
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Return weight and bias."""
        bias = {"bias": Tensor("bias", (self.outputs,))} if self.bias else {}
        return {"weight": Tensor("weight", self._weight()), **bias}

    def _size(self) -> str:
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        return f"convolution {self.kernel} × {self.kernel}{stride}"


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """A convolution with a square kernel: ``weight`` (outputs, inputs, kernel, kernel)."""

    kind = "conv"

    def _side(self, side: int) -> int:
        return (side + 2 * self.padding - self.kernel) // self.stride + 1

    def _weight(self) -> Shape:
        return (self.outputs, self.inputs, self.kernel, self.kernel)

    def words(self) -> str:
        """Return the layer in words."""
        return self._size().capitalize()


@dataclass(frozen=True)
class ConvTranspose2d(_Convolution):
    """A transposed convolution with a square kernel: ``weight`` (inputs, outputs, kernel, kernel)."""

    kind = "conv_transpose"

    def _side(self, side: int) -> int:
        return (side - 1) * self.stride - 2 * self.padding + self.kernel

    def _weight(self) -> Shape:
        return (self.inputs, self.outputs, self.kernel, self.kernel)

    def words(self) -> str:
        """Return the layer in words."""
        return f"Transposed {self._size()}"


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation (arXiv:1502.03167) by its running statistics, of maps or of flat features."""

    kind = "batch_norm"
    channels: int
    maps: bool = True
    eps: float = 1e-5

    def output(self, shape: Shape) -> Shape:
        """Return the same shape."""
        if not shape or shape[0] != self.channels or (len(shape) == 3) != self.maps:
            raise self.refuse(shape)
        return shape

    def tensors(self) -> dict[str, Tensor]:
        """Return scale, bias and the running statistics."""
        names = ("weight", "bias", "running_mean", "running_var")
        return {name: Tensor(name, (self.channels,)) for name in names}

    def trained(self) -> int:
        """Return the number of scales and biases: the statistics are not trained."""
        return 2 * self.channels

    def words(self) -> str:
        """Return the layer in words."""
        return "batch normalisation"


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each value by itself: a key of ``ACTIVATIONS``; ``slope`` is that of the leaky ReLU below 0."""

    kind = "activation"
    name: str
    slope: float = 0.2

    def __post_init__(self) -> None:
        if self.name not in ACTIVATIONS:
            raise ConfigError(f"there is no activation {self.name[:40]!r}", f"Choose one of {', '.join(ACTIVATIONS)}")

    def words(self) -> str:
        """Return the activation's name as it is written."""
        return ACTIVATIONS[self.name]


@dataclass(frozen=True)
class MaxPool(Layer):
    """The maximum of squares of ``kernel`` × ``kernel`` pixels, side by side; what does not fill one is left out."""

    kind = "max_pool"
    kernel: int = 2

    def output(self, shape: Shape) -> Shape:
        """Return (channels, height / kernel, width / kernel), rounded down."""
        if len(shape) != 3 or min(shape[1:]) < self.kernel:
            raise self.refuse(shape)
        return (shape[0], shape[1] // self.kernel, shape[2] // self.kernel)

    def words(self) -> str:
        """Return the layer in words."""
        return f"maximum of {self.kernel} × {self.kernel}"


@dataclass(frozen=True)
class GlobalMaxPool(Layer):
    """The maximum over all places of each channel: (channels, 1, 1)."""

    kind = "global_max_pool"

    def output(self, shape: Shape) -> Shape:
        """Return (channels, 1, 1)."""
        if len(shape) != 3:
            raise self.refuse(shape)
        return (shape[0], 1, 1)

    def words(self) -> str:
        """Return the layer in words."""
        return "maximum of all"


@dataclass(frozen=True)
class Upsample(Layer):
    """Every pixel repeated ``scale`` × ``scale`` times (nearest neighbour)."""

    kind = "upsample"
    scale: int = 2

    def output(self, shape: Shape) -> Shape:
        """Return (channels, height * scale, width * scale)."""
        if len(shape) != 3:
            raise self.refuse(shape)
        return (shape[0], shape[1] * self.scale, shape[2] * self.scale)

    def words(self) -> str:
        """Return the layer in words."""
        return f"enlarged {self.scale} times"


@dataclass(frozen=True)
class Flatten(Layer):
    """All values in one row."""

    kind = "flatten"

    def output(self, shape: Shape) -> Shape:
        """Return (number of values,)."""
        return (math.prod(shape),)


@dataclass(frozen=True)
class Unflatten(Layer):
    """A row of values as maps of the given shape."""

    kind = "unflatten"
    shape: Shape

    def output(self, shape: Shape) -> Shape:
        """Return the given shape."""
        if math.prod(shape) != math.prod(self.shape):
            raise self.refuse(shape)
        return self.shape


@dataclass(frozen=True)
class Bias(Layer):
    """A bias of its own for each of ``size`` values: ``bias`` (size,)."""

    kind = "bias"
    size: int

    def output(self, shape: Shape) -> Shape:
        """Return the same shape."""
        if shape != (self.size,):
            raise self.refuse(shape)
        return shape

    def tensors(self) -> dict[str, Tensor]:
        """Return the bias."""
        return {"bias": Tensor("bias", (self.size,))}

    def words(self) -> str:
        """Return the layer in words."""
        return "a bias per pixel"


@dataclass(frozen=True)
class Affine(Layer):
    """Every value times ``scale``, plus ``shift``: a change of units, nothing trained."""

    kind = "affine"
    scale: float = 1.0
    shift: float = 0.0


Layers = tuple[Layer, ...]


def perceptron(sizes: Sequence[int], activation: str) -> Layers:
    """Return dense layers of the given sizes with an activation between them, and none after the last."""
    layers: list[Layer] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [Dense(inputs, outputs), Activation(activation)]
    return (*layers, Dense(sizes[-2], sizes[-1]))


def shapes(layers: Sequence[Layer], shape: Shape) -> Iterator[Shape]:
    """Yield the shape after each layer; ConfigError naming the first layer that does not fit."""
    for layer in layers:
        shape = layer.output(shape)
        yield shape


def shape_after(layers: Sequence[Layer], shape: Shape) -> Shape:
    """Return the shape after all layers."""
    for last in shapes(layers, shape):
        shape = last
    return shape


class Row(NamedTuple):
    """A row of the architecture table: the layer in words, the shape after it, its number of trained weights."""

    words: str
    shape: Shape
    weights: int


def table(layers: Sequence[Layer], shape: Shape) -> list[Row]:
    """Return the network row by row: what has no row of its own joins the layer before it."""
    rows: list[Row] = []
    for layer, after in zip(layers, shapes(layers, shape), strict=True):
        words = layer.words()
        if layer.own_row or not rows:
            if words or layer.own_row:
                rows.append(Row(words, after, layer.trained()))
            continue
        before = rows.pop()
        joined = f"{before.words}, {words}" if words else before.words
        rows.append(Row(joined, after, before.weights + layer.trained()))
    return rows


def described(layers: Sequence[Layer], key: str) -> list[dict[str, Any]]:
    """Return layers as JSON for the browser, with the names of their tensors in a run's safetensors.

    Parameters
    ----------
    layers
        As given to ``core.networks.build``: layer i keeps its tensors under ``key.i``.
    key
        Where the built module stands, for example ``vae.decoder``.
    """
    return [spec for number, layer in enumerate(layers) for spec in described_as(layer, f"{key}.{number}")]


def described_as(layer: Layer, key: str) -> list[dict[str, Any]]:
    """Return one layer as JSON for the browser, in a list; its tensors stand under ``key`` itself."""
    names = {role: f"{key}.{tensor.name}" for role, tensor in layer.tensors().items()}
    return [{"kind": layer.kind, **asdict(layer), "tensors": names}]
