"""The layers of the classifier as plain data: the network, the page's table and the browser's are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from core import layers as plain

SIDE = 28
N_CLASSES = 10


@dataclass(frozen=True)
class Stage:
    """One 3 x 3 convolution with normalisation and ReLU.

    ``times`` is the number of output channels in multiples of the width; ``pool`` is ``""``, ``"halve"`` (maximum over
    2 x 2 pixels) or ``"global"`` (maximum over all places).
    """

    times: int
    pool: str = ""


STAGES = (Stage(1, "halve"), Stage(2), Stage(2, "halve"), Stage(4), Stage(4, "global"))


def body(width: int) -> plain.Layers:
    """Return the layers from images (1, 28, 28) to features (4 * width,).

    Pooling comes right after the convolution: where the normalisation's scale is positive the maximum commutes with
    it and with ReLU, and both then work on a quarter of the pixels.
    """
    layers: list[plain.Layer] = []
    channels = 1
    for stage in STAGES:
        layers += block(channels, stage.times * width, stage.pool)
        channels = stage.times * width
    return (*layers, plain.Flatten())


def block(inputs: int, outputs: int, pool: str = "") -> plain.Layers:
    """Return a 3 x 3 convolution, pooling if any, batch normalisation (arXiv:1502.03167) and ReLU."""
    convolution = plain.Conv2d(inputs, outputs, 3, padding=1, bias=False)  # the normalisation brings its own bias
    pools: dict[str, plain.Layers] = {"": (), "halve": (plain.MaxPool(2),), "global": (plain.GlobalMaxPool(),)}
    return (convolution, *pools[pool], plain.BatchNorm(outputs), plain.Activation("relu"))


def head(width: int) -> plain.Dense:
    """Return the linear layer from features to logits (10,)."""
    return plain.Dense(STAGES[-1].times * width, N_CLASSES)


def network(width: int, key: str = "classifier") -> list[dict[str, Any]]:
    """Return the network as the browser computes it, with its tensors' names in a run: (1, 28, 28) to logits."""
    return [*plain.described(body(width), f"{key}.body"), *plain.described_as(head(width), f"{key}.head")]


def architecture(width: int) -> pd.DataFrame:
    """Return the network layer by layer: ``Layer``, ``Output`` (channels x height x width) and ``Weights``.

    Parameters
    ----------
    width
        Channels of the first convolution.
    """
    rows = [
        (row.words, " × ".join(map(str, row.shape)), row.weights)
        for row in plain.table((*body(width), head(width)), (1, SIDE, SIDE))
    ]
    rows[-1] = (f"{rows[-1][0]}, softmax", *rows[-1][1:])
    return pd.DataFrame(rows, columns=["Layer", "Output", "Weights"])
