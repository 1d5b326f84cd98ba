"""Networks in JavaScript against torch: every layer, forwards and backwards, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core import layers as plain
from core.chapters.gan_2d import layers as gan_2d
from core.networks import build
from tests.runtime.node import run_js

CODE = """
const { Network } = await load("network")
const network = new Network(given.layers, files[0], given.shape)
const x = Float32Array.from(given.x)
const { output, gradient } = network.gradient(x, given.cotangent, given.n)
const again = network.forward(x, given.n)
return { output: [...output], again: [...again], gradient: [...gradient], shape: network.outputShape }
"""
MAPS = (3, 7, 6)
NETWORKS = {
    "dense": ([plain.Dense(5, 7), plain.Activation("tanh"), plain.Dense(7, 3, bias=False)], (5,)),
    "convolution": ([plain.Conv2d(3, 5, 3, padding=1)], MAPS),
    "stride and no bias": ([plain.Conv2d(3, 4, 4, 2, 1, bias=False)], MAPS),
    "stride that leaves a rest": ([plain.Conv2d(3, 2, 3, 3)], MAPS),
    "transposed": ([plain.ConvTranspose2d(3, 4, 4, 2, 1)], MAPS),
    "transposed, odd": ([plain.ConvTranspose2d(3, 2, 3, 3, 2, bias=False)], MAPS),
    "folded": ([plain.Conv2d(3, 4, 3), plain.BatchNorm(4), plain.Activation("relu")], MAPS),
    "folded, transposed": ([plain.ConvTranspose2d(3, 4, 4, 2, 1, bias=False), plain.BatchNorm(4)], MAPS),
    "folded, dense": ([plain.Dense(5, 7), plain.BatchNorm(7, maps=False)], (5,)),
    "pool before normalisation": ([plain.Conv2d(3, 4, 3), plain.MaxPool(2), plain.BatchNorm(4)], MAPS),
    "normalisation first": ([plain.BatchNorm(3), plain.Flatten()], MAPS),
    "global pool": ([plain.GlobalMaxPool(), plain.Flatten(), plain.Dense(3, 2)], MAPS),
    "odd pool": ([plain.MaxPool(3)], MAPS),
    "upsample": ([plain.Upsample(2), plain.Conv2d(3, 1, 3, padding=1)], MAPS),
    "upsample by three": ([plain.Upsample(3)], MAPS),
    "shapes": ([plain.Unflatten(MAPS), plain.Conv2d(3, 1, 2), plain.Flatten(), plain.Bias(30)], (126,)),
    "units": ([plain.Affine(4.0, -2.0), plain.Dense(5, 2), plain.Affine(0.25)], (5,)),
    **{name: ([plain.Dense(5, 40), plain.Activation(name)], (5,)) for name in plain.ACTIVATIONS},
}


def built(layers, seed=0):
    """A network in eval mode with weights, and running statistics, that are not those it starts with."""
    torch.manual_seed(seed)
    module = build(layers).eval()
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.2 if "var" in name else 0.7 * torch.randn_like(value))
    return module


def stored(module, path, *, half=False):
    """The network's weights in a file, in half precision if wanted; the module gets those that are stored."""
    state = {f"net.{name}": value for name, value in module.state_dict().items()}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(state, path)
    module.load_state_dict({name: state[f"net.{name}"].float() for name in module.state_dict()})
    return path


@pytest.mark.parametrize("half", [False, True], ids=["single", "half"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_equals_torchs_forwards_and_backwards(name, half, tmp_path):
    layers, shape = NETWORKS[name]
    module = built(layers)
    file = stored(module, tmp_path / "weights.safetensors", half=half)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = module(x)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(y, x, cotangent)
    given = {"layers": plain.described(layers, "net"), "shape": shape, "n": 3}
    given |= {"x": x.detach().flatten().tolist(), "cotangent": cotangent.flatten().tolist()}
    found = run_js(CODE, given, files=[file])
    assert tuple(found["shape"]) == tuple(y.shape[1:]) == plain.shape_after(layers, shape)
    assert found["output"] == found["again"]
    for mine, theirs in ((found["output"], y.detach()), (found["gradient"], gradient)):
        theirs = theirs.flatten().numpy()
        assert np.abs(mine - theirs).max() <= 2e-6 * max(np.ptp(theirs), 1.0)


@pytest.mark.parametrize("columns", [1, 3, 4, 9])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_products_of_every_size(rows, columns):
    code = """
    const { multiply, multiplyWide, transposed } = await load("kernels")
    const { a, b, rows, columns, depth } = given
    const [left, right, out, wide] = [a, b, rows * columns, rows * columns].map(one => new Float32Array(one))
    multiply(left, right, out, rows, columns, depth)
    multiplyWide(left, transposed(right, columns, depth), wide, rows, columns, depth)
    return [[...out], [...wide]]
    """
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (rows, 7)), rng.integers(-9, 10, (columns, 7))
    given = {"a": a.flatten().tolist(), "b": b.flatten().tolist(), "rows": rows, "columns": columns, "depth": 7}
    for found in run_js(code, given):
        np.testing.assert_array_equal(np.reshape(found, (rows, columns)), a @ b.T)


def test_a_member_of_a_stack_of_seeds(tmp_path):
    weights = {f"g.weights.{i}": torch.randn(3, *shape) for i, shape in enumerate([(6, 5), (5, 1)])}
    weights |= {f"g.biases.{i}": torch.randn(3, 1, size) for i, size in enumerate([5, 1])}
    weights["g.waves"] = torch.randn(3, 2, 2)
    save_file(weights, tmp_path / "w.safetensors")
    layers = [
        *plain.described_as(gan_2d.Waves(2, 2, seeds=3, member=1), "g"),
        *plain.described_as(plain.Flatten(), "g"),
        *plain.described_as(gan_2d.StackedDense(6, 5, 0, seeds=3, member=1), "g"),
        *plain.described_as(plain.Activation("leaky"), "g"),
        *plain.described_as(gan_2d.StackedDense(5, 1, 1, seeds=3, member=1), "g"),
    ]
    x = torch.randn(4, 1, 2, requires_grad=True)
    phase = x @ weights["g.waves"][1]
    wide = torch.cat([x, phase.sin(), phase.cos()], -1).flatten(1)
    hidden = torch.nn.functional.leaky_relu(wide @ weights["g.weights.0"][1] + weights["g.biases.0"][1], 0.2)
    y = hidden @ weights["g.weights.1"][1] + weights["g.biases.1"][1]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    given = {"layers": layers, "shape": [1, 2], "n": 4, "x": x.detach().flatten().tolist(), "cotangent": [1] * 4}
    found = run_js(CODE, given, files=[tmp_path / "w.safetensors"])
    np.testing.assert_allclose(found["output"], y.detach().flatten(), atol=2e-6)
    np.testing.assert_allclose(found["gradient"], gradient.flatten(), atol=5e-6)


def problem(file, **changes):
    """What the runtime says to a file of a network dense 2 to 3, the description changed."""
    layer = plain.described([plain.Dense(2, 3)], "net")[0] | changes
    code = """
    const { Network } = await load("network")
    try { new Network([given.layer], files[0], [2]) } catch (error) {
      return { problem: error.message, kind: error.constructor.name }
    }
    return null
    """
    return run_js(code, {"layer": layer}, files=[file])


@pytest.fixture
def whole(tmp_path):
    return stored(built([plain.Dense(2, 3)]), tmp_path / "whole.safetensors")


HEADER = b'{"net.0.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[%s]}}'


def headed(header):
    return len(header).to_bytes(8, "little") + header + bytes(64)


TORN = {
    "empty": lambda _: b"",
    "short": lambda b: b[:7],
    "header cut": lambda b: b[:30],
    "values cut": lambda b: b[:-1],
    "endless header": lambda b: bytes([255] * 8) + b[8:],
    "no JSON": lambda _: headed(b"{nonsense"),
    "no object": lambda _: headed(b"[1, 2]"),
    "null": lambda _: headed(b"null"),
    "no UTF-8": lambda _: headed(b'{"\xff": 1}'),
    "tensor null": lambda _: headed(b'{"net.0.weight": null}'),
    "kind of an object": lambda _: headed(HEADER.replace(b"F32", b"constructor") % b"0,24"),
    "negative": lambda _: headed(HEADER % b"-24,0"),
    "far out": lambda _: headed(HEADER % b"1000000,1000024"),
    "too few": lambda _: headed(HEADER % b"0,20"),
    "halves of bytes": lambda _: headed(HEADER % b"0.5,24.5"),
    "turned": lambda _: headed(HEADER % b"24,0"),
    "huge": lambda _: headed(HEADER.replace(b"[3,2]", b"[9007199254740991,9007199254740991]") % b"0,24"),
}


@pytest.mark.parametrize("name", TORN)
def test_torn_weights_are_one_sentence(name, whole, tmp_path):
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(TORN[name](whole.read_bytes()))
    said = problem(torn)
    assert said["kind"] == "Problem"
    assert said["problem"].startswith("The network's weights did not arrive whole (")
    assert said["problem"].endswith("reload the page.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "attention"}, "does not know the layer “attention”"),
        ({"kind": "constructor"}, "does not know the layer “constructor”"),
        ({"kind": "activation", "name": "toString"}, "does not know the activation “toString”"),
        ({"inputs": 3}, "The layer “dense” does not take 2 values"),
        ({"outputs": 4}, "net.0.weight has shape 3 × 2, not 4 × 2"),
        ({"tensors": {"weight": "net.1.weight", "bias": "net.0.bias"}}, "lack net.1.weight"),
        ({"kind": "conv"}, "The layer “conv” does not take 2 values"),
        ({"kind": "unflatten", "shape": [3]}, "The layer “unflatten” does not take 2 values"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes, words, whole):
    said = problem(whole, **changes)
    assert said["kind"] == "Problem"
    assert words in said["problem"]


def test_weights_of_another_type_are_refused(tmp_path):
    save_file({"net.0.weight": torch.zeros(3, 2).double(), "net.0.bias": torch.zeros(3)}, tmp_path / "w.safetensors")
    assert "type F64, not F32 or F16" in problem(tmp_path / "w.safetensors")["problem"]


def test_what_fits_is_taken(whole):
    assert problem(whole) is None


def test_normal_numbers_of_a_seed():
    code = """
    const { seeded } = await load("random")
    return [seeded(7).normals(20000), seeded(7).normals(20000), seeded(8).normals(5)].map(one => [...one])
    """
    first, second, other = run_js(code)
    assert first == second
    assert first[:5] != other
    draws = np.array(first)
    # standard errors of mean, variance and fourth moment of n draws: 0.0071, 0.01, 0.069; four of them
    assert abs(draws.mean()) < 0.029
    assert abs(draws.var() - 1) < 0.04
    assert abs((draws**4).mean() - 3) < 0.28
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.029
