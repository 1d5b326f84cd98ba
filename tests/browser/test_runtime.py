"""The networks of the shipped runs in Chromium give what torch gives: at their last epoch and at an earlier one."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from core import layers as plain
from core.chapters.gan_2d import layers as gan_layers
from core.chapters.gan_2d.evaluate import modules_of
from core.chapters.gan_2d.trainer import build as build_gan
from core.families.classifiers import layers as classifier_layers
from core.families.classifiers.task import build as build_classifier
from core.families.vaes import layers as vae_layers
from core.families.vaes.task import build as build_vae
from core.runs.store import RunStore
from core.settings import ROOT
from core.training.weights import load_tensors, load_weights, restore
from pages._ui import runtime

STORE = RunStore(own=ROOT / "none")
TOLERANCE = {"single": 1e-5, "half": 1e-3}  # of the output's range
SITE = "http://runtime.test/"


def vae_cases(run, file, prefix, modules):
    config, vae = run.config, modules[prefix]
    decoder = vae_layers.browser_decoder(config, f"{prefix}.decoder")
    sigmoid = plain.described_as(plain.Activation("sigmoid"), "")
    yield file, [*decoder, *sigmoid], torch.randn(4, config.latent_dim), lambda z: vae.decode(z).sigmoid()
    if hasattr(vae, "encoder"):
        yield file, vae_layers.browser_encoder(config, f"{prefix}.encoder"), torch.rand(4, 784), vae.encoder


def gan_cases(run, file, prefix, modules):
    config = run.config
    generator, discriminator = modules["generator"], modules["discriminator"]
    layers = gan_layers.browser_network(gan_layers.generator(config), f"{prefix}generator")
    yield file, layers, torch.randn(50, config.noise_dim), lambda z: generator(z)[0]
    layers = gan_layers.browser_network(gan_layers.discriminator(config), f"{prefix}discriminator")
    points = torch.rand(50, config.packing, 2)
    yield file, layers, points, lambda x: discriminator(x.flatten(0, 1))[0, :, None]


def cases(run):
    """Yield (file, layers, x, torch's function) of the run's networks: last weights, then the first that were kept."""
    epochs = [None, *run.snapshots()[:1]]
    if run.experiment == "gan_2d":
        modules = modules_of(run.config)
        load_weights(run, modules)
        yield from gan_cases(run, run.path / "weights.safetensors", "", modules)
        first = min((run.path / "states").glob("*.safetensors"), key=lambda file: int(file.stem))
        early = dict(zip(("generator", "discriminator"), build_gan(run.config, [run.config.seed]), strict=True))
        tensors = {name[7:]: value for name, value in load_tensors(first).items() if name.startswith("module.")}
        restore(early, tensors, first)
        yield from gan_cases(run, first, "module.", early)
        return
    for epoch in epochs:
        file = run.path / ("weights.safetensors" if epoch is None else f"snapshots/{epoch}.safetensors")
        tensors = {name: value.float() for name, value in load_tensors(file).items()}
        if run.experiment == "classifier":
            modules = build_classifier(run.config)
            restore(modules, tensors, file)
            model = modules["classifier"].eval()
            yield file, classifier_layers.network(run.config.width), torch.rand(4, 1, 28, 28), model
            continue
        names = {"vae": ["vae"], "latent_vae": ["decoder", "amortised"], "log_probability": ["vae", "iwae"]}
        for name in names[run.experiment]:
            own = {key.replace(name, "vae", 1): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            if not own:
                continue
            vae = build_vae(run.config)["vae"]
            vae.load_state_dict({key[4:]: value for key, value in own.items()}, strict=name != "decoder")
            if name == "decoder":
                del vae.encoder
            yield from vae_cases(run, file, name, {name: vae.eval()})


@pytest.fixture(scope="module")
def sandbox(chromium):
    """A page with the runtime and nothing else, which fetches weights from the test."""
    page = chromium.new_page()
    text = runtime.bundle("network", "drawing", "random")
    page.route(f"{SITE}*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(SITE)
    page.add_script_tag(content=text)
    yield page
    page.close()


def serve(file, route):
    route.fulfill(body=file.read_bytes(), content_type="application/octet-stream")


COMPUTE = """async ({ layers, shape, x, n }) => {
  const file = new Uint8Array(await (await fetch("/weights")).arrayBuffer())
  return [...new Network(layers, file, shape).forward(Float32Array.from(x), n)]
}"""


@pytest.mark.parametrize("run", STORE.list(), ids=lambda run: f"{run.experiment}-{run.name}")
def test_the_browser_computes_what_torch_does(sandbox, run):
    torch.manual_seed(0)
    compared = 0
    for file, layers, x, function in cases(run):
        sandbox.unroute(f"{SITE}weights")
        sandbox.route(f"{SITE}weights", partial(serve, file))
        with torch.inference_mode():
            expected = function(x).numpy().ravel()
        given = {"layers": json.loads(json.dumps(layers)), "shape": list(x.shape[1:]), "n": len(x)}
        found = np.array(sandbox.evaluate(COMPUTE, given | {"x": x.flatten().tolist()}))
        precision = "half" if file.parent.name == "snapshots" else "single"
        apart = np.abs(found - expected).max() / np.ptp(expected)
        assert apart <= TOLERANCE[precision], f"{file}, {layers[0]['tensors']}: {apart:.2e} of the range"
        compared += 1
    assert compared >= 2  # two networks of a run that keeps its last weights only, else also an earlier epoch's
