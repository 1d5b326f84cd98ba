"""The small networks and their stack of seeds."""

import pytest
import torch
from torch import nn

from core.chapters.gan_2d.model import Discriminator, Generator, centred, squared
from core.layers import Activation
from core.networks import build_layer
from core.training.loop import seeded


def generators(n, stream=0):
    return [seeded(seed, "init", stream) for seed in range(n)]


def test_coordinates_are_inverse():
    points = torch.rand(50, 2)
    assert torch.allclose(squared(centred(points)), points, atol=1e-6)
    assert centred(torch.tensor([0.5, 0.5])).tolist() == [0, 0]


@pytest.mark.parametrize("activation", ["relu", "leaky", "tanh", "silu"])
def test_a_stack_is_its_members(activation):
    """Each seed's network in a stack equals an ordinary perceptron with its weights."""
    stack = Generator(2, 2, 5, activation, generators(3))
    z = torch.randn(3, 7, 2)
    out = stack(z)
    for seed in range(3):
        x = z[seed]
        for index, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
            x = nn.functional.linear(x, weight[seed].T, bias[seed, 0])
            x = build_layer(Activation(activation))(x) if index < 2 else x
        assert torch.allclose(out[seed], squared(x), atol=1e-6)


def test_a_seed_starts_the_same_alone_and_in_a_stack():
    alone, stack = Generator(2, 2, 5, "relu", generators(1)), Generator(2, 2, 5, "relu", generators(3))
    for one, many in zip(alone.parameters(), stack.parameters(), strict=True):
        assert torch.equal(one[0], many[0])
        assert not torch.equal(many[0], many[1])


def test_noise_without_a_seed_dimension_goes_to_every_seed():
    stack = Generator(1, 1, 4, "tanh", generators(2))
    z = torch.randn(9, 1)
    assert torch.equal(stack(z), stack(z.expand(2, 9, 1)))


@pytest.mark.parametrize("packing", [1, 2, 3])
def test_packs_are_consecutive_points(packing):
    judge = Discriminator(packing, 1, 6, "relu", generators(1))
    points = torch.rand(1, 12, 2)
    values = judge(points)
    assert values.shape == (1, 12 // packing)
    moved = points.clone()
    moved[0, -1] += 0.3  # only the last pack sees it
    assert torch.equal(judge(moved)[0, :-1], values[0, :-1])
    assert not torch.equal(judge(moved)[0, -1], values[0, -1])


def test_waves_are_seen_and_not_trained():
    judge = Discriminator(1, 1, 6, "relu", generators(2), features=4)
    assert judge.weights[0].shape == (2, 2 + 8, 6)
    assert "waves" in judge.state_dict()
    assert all(parameter.shape[-1] != 4 for parameter in judge.parameters())


def test_gain_scales_the_output():
    plain, quiet = (Discriminator(1, 1, 6, "relu", generators(1), gain=gain) for gain in (1.0, 0.25))
    points = torch.rand(1, 5, 2)
    assert torch.allclose(quiet(points), plain(points) / 4)
