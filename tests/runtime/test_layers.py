"""Layers as plain data: shapes, tables, and what torch makes of them."""

import doctest

import pytest
import torch
from torch import nn

from core import layers as plain
from core.chapters.gan_2d import layers as gan_2d
from core.errors import ConfigError
from core.networks import build, build_layer
from tests.runtime.test_network import NETWORKS


def test_examples_in_the_module_hold():
    assert doctest.testmod(plain).failed == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_and_weights_are_those_of_the_torch_module(name):
    layers, shape = NETWORKS[name]
    module = build(layers).eval()
    assert tuple(module(torch.zeros(2, *shape)).shape[1:]) == plain.shape_after(layers, shape)
    trained = sum(parameter.numel() for parameter in module.parameters())
    assert sum(layer.trained() for layer in layers) == trained
    assert sum(row.weights for row in plain.table(layers, shape)) == trained
    named = {f"{i}.{one.name}": one.shape for i, layer in enumerate(layers) for one in layer.tensors().values()}
    state = {name: tuple(value.shape) for name, value in module.state_dict().items() if "num_batches" not in name}
    assert named == state
    described = plain.described(layers, "net")
    assert {name for one in described for name in one["tensors"].values()} == {f"net.{name}" for name in state}


@pytest.mark.parametrize("activation", plain.ACTIVATIONS)
def test_an_activation_stands_between_layers_and_not_after_the_last(activation):
    layers = list(build(plain.perceptron([4, 5, 6, 2], activation)))
    assert [isinstance(one, nn.Linear) for one in layers] == [True, False, True, False, True]
    assert layers[-1].out_features == 2


MAPS = (3, 7, 6)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (plain.Dense(5, 2), (4,)),
        (gan_2d.StackedDense(5, 2, 0), (1, 5)),
        (plain.Conv2d(4, 2, 3), MAPS),
        (plain.Conv2d(3, 2, 9), MAPS),
        (plain.ConvTranspose2d(3, 2, 3), (3,)),
        (plain.BatchNorm(3, maps=False), MAPS),
        (plain.BatchNorm(4), MAPS),
        (plain.MaxPool(8), MAPS),
        (plain.GlobalMaxPool(), (3,)),
        (plain.Upsample(2), (3,)),
        (plain.Unflatten((2, 2)), (5,)),
        (plain.Bias(5), (4,)),
        (gan_2d.Waves(2, 3), (3,)),
    ],
)
def test_a_layer_that_does_not_fit_says_so(layer, shape):
    with pytest.raises(ConfigError, match=type(layer).__name__):
        plain.shape_after([layer], shape)


def test_an_unknown_activation_and_an_unknown_layer_are_refused():
    with pytest.raises(ConfigError, match="no activation 'relu6'"):
        plain.Activation("relu6")
    with pytest.raises(ConfigError, match="no torch module"):
        build_layer(gan_2d.Waves(2, 3))
