"""From the pointer to the picture: networks computed and painted in Chromium. Prints figures, asserts none.

``python -m tests.benchmarks.bench_runtime`` or ``pytest -m benchmark -s tests/benchmarks/bench_runtime.py``

Medians of 60 calls after 10 to warm up, with the time to paint the picture, without a GPU. The figures to reach are for
two cores; on a busy machine the least time, which stands beside, is the fairer figure.
"""

import json

import pytest
import torch
from playwright.sync_api import sync_playwright
from safetensors.torch import save

from core import layers as plain
from core.chapters.gan_2d import layers as gan_layers
from core.families.classifiers import layers as classifier_layers
from core.families.vaes import layers as vae_layers
from core.families.vaes.config import VAEConfig
from core.networks import build
from core.runs.store import RunStore
from core.settings import ROOT
from pages._ui import runtime
from tests.browser.driving import FLAGS, find_chromium

pytestmark = pytest.mark.benchmark
SITE = "http://runtime.test/"
LATENTS = 100

MEASURE = """async ({ layers, shape, n }) => {
  const file = new Uint8Array(await (await fetch("/weights")).arrayBuffer())
  const begun = performance.now()
  const network = new Network(layers, file, shape)
  const opened = performance.now() - begun
  const canvas = document.createElement("canvas")
  const times = []
  for (let i = 0; i < 70; i++) {
    const x = seeded(i).normals(n * network.inputSize)
    const start = performance.now()
    const y = network.forward(x, n)
    if (y.length % 784 === 0) paintDigits(canvas, y, n)
    if (i >= 10) times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  return { opened, median: times[30], least: times[0] }
}"""


def dcgan(width=32):
    """A generator of 28 x 28 images of the size of a DCGAN of that width."""
    return (
        plain.Dense(LATENTS, 4 * width * 49),
        plain.Unflatten((4 * width, 7, 7)),
        plain.BatchNorm(4 * width),
        plain.Activation("relu"),
        plain.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False),
        plain.BatchNorm(2 * width),
        plain.Activation("relu"),
        plain.ConvTranspose2d(2 * width, 1, 4, 2, 1),
        plain.Activation("tanh"),
    )


def made(layers, key="net"):
    """Return the file and the browser's layers of a freshly made network."""
    state = build(layers).state_dict()
    return save({f"{key}.{name}": value for name, value in state.items()}), plain.described(layers, key)


def cases():
    """Yield what is measured: name, file, layers, shape, items at once, milliseconds to reach."""
    store = RunStore(own=ROOT / "none")
    run = store.get("shipped/log_probability/mnist")
    weights = (run.path / "weights.safetensors").read_bytes()
    decoder = vae_layers.browser_decoder(run.config, "vae.decoder")
    yield "dense decoder 20-1024-1024-784", weights, decoder, [20], 1, 17
    yield "the same, a strip of 11", weights, decoder, [20], 11, None
    for name in ("mnist", "fashion-mnist"):
        run = store.get(f"shipped/classifier/{name}")
        layers = classifier_layers.network(run.config.width)
        weights = (run.path / "weights.safetensors").read_bytes()
        yield f"classifier of width {run.config.width}", weights, layers, [1, 28, 28], 1, 33
    yield "generator, DCGAN of width 32", *made(dcgan()), [LATENTS], 1, 50
    config = VAEConfig(network="convolutional", width=512, latent_dim=20)
    yield "convolutional decoder of width 512", *made(vae_layers.decoder(config)), [20], 1, 50
    run = store.get("shipped/gan_2d/ring")
    weights = (run.path / "weights.safetensors").read_bytes()
    layers = gan_layers.browser_network(gan_layers.discriminator(run.config), "discriminator")
    yield "2-D discriminator, 1,600 points", weights, layers, [run.config.packing, 2], 1600, None


def test_from_pointer_to_picture():
    torch.manual_seed(0)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        page = browser.new_page()
        page.route(f"{SITE}*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        page.goto(SITE)
        page.add_script_tag(content=runtime.bundle("network", "random", "picture"))
        print(f"\n{'network':40}{'median ms':>10}{'least':>8}{'to reach':>10}{'loaded in':>11}")
        for name, file, layers, shape, n, goal in cases():
            page.unroute(f"{SITE}weights")
            page.route(f"{SITE}weights", _server(file))
            given = {"layers": json.loads(json.dumps(layers)), "shape": shape, "n": n}
            found = page.evaluate(MEASURE, given)
            said = "" if goal is None else f"{goal:>7} ms"
            print(f"{name:40}{found['median']:10.1f}{found['least']:8.1f}{said:>10}{found['opened']:8.0f} ms")
        browser.close()


def _server(file):
    return lambda route: route.fulfill(body=file, content_type="application/octet-stream")


if __name__ == "__main__":
    test_from_pointer_to_picture()
