"""How fast log p(x) is measured. Prints figures, asserts none: pytest -m benchmark -s tests/benchmarks/bench_*.py.

- image-samples per second of the importance sampler, against the decoder's arithmetic floor (the same matrix products
  alone, results written to ready buffers) and against the plain loop over images;
- the peak of working memory beside the stated bound;
- a live value for one image at M = 1000 on a warm model.
"""

import math
import os
import subprocess
import sys
import time

import pytest
import torch

from core.families.log_probs.importance import MEMORY_BYTES
from core.families.log_probs.latent_model import LatentModel, estimate, read_image
from core.families.vaes.likelihood import log_likelihood
from core.families.vaes.model import VAE
from core.settings import ROOT

pytestmark = pytest.mark.benchmark
VARIANTS = {
    "mnist (Gaussian, 1024-1024, z = 20)": ("gaussian", 1024, 20, 1000),
    "binarised-mnist (Bernoulli, 512-512, z = 50)": ("bernoulli", 512, 50, 5000),
}
ROUNDS = 5


def make(likelihood, width, latent_dim):
    torch.manual_seed(0)
    vae = VAE(784, (width, width), latent_dim, "gelu").eval().requires_grad_(False)
    return vae, LatentModel(vae, (latent_dim, width, width, 784), likelihood, 0.4)


def best(function, rounds=ROUNDS):
    """Return the shortest of a few durations: what the machine can do when nothing interferes."""
    function()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def floor(model, rows):
    """Return the seconds of the decoder's matrix products for that many rows."""
    block = 2048
    inputs = [torch.randn(block, width) for width in model.widths[:-1]]
    weights = [torch.randn(a, b) for a, b in zip(model.widths[:-1], model.widths[1:], strict=True)]
    outputs = [torch.empty(block, width) for width in model.widths[1:]]

    def products():
        for one, weight, out in zip(inputs, weights, outputs, strict=True):
            torch.mm(one, weight, out=out)

    return best(products, rounds=10) * rows / block


@torch.inference_mode()
def plain_loop(vae, x, n_samples, likelihood):
    """The usual code: image after image, all samples at once, all tensors new."""
    found = []
    for image in x:
        mu, logvar = vae.encode(image[None])
        q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
        prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
        z = q.sample((n_samples,))
        log_px = log_likelihood(vae.decode(z), image[None], likelihood=likelihood, sigma=0.4)
        log_w = log_px + prior.log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
        found.append(float(log_w.logsumexp(0) - math.log(n_samples)))
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_sampler_against_floor_and_plain_loop(name):
    likelihood, width, latent_dim, n_samples = VARIANTS[name]
    vae, model = make(likelihood, width, latent_dim)
    x = torch.rand(20_000 // n_samples, 784).round()
    rows = len(x) * n_samples
    ours = best(lambda: estimate(model, x, n_samples=n_samples), 3)
    lowest = floor(model, rows)
    loop = best(lambda: plain_loop(vae, x, n_samples, likelihood), 3)
    print(f"\n{name}, M = {n_samples:,}, {torch.get_num_threads()} threads")
    print(f"  sampler     {rows / ours:>10,.0f} image-samples/s, {ours / lowest:.2f} x the floor (to reach: 2)")
    print(f"  plain loop  {rows / loop:>10,.0f} image-samples/s: the sampler is {loop / ours:.2f} x as fast")
    print(f"  floor       {rows / lowest:>10,.0f} image-samples/s")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_live_value(name):
    likelihood, width, latent_dim, _ = VARIANTS[name]
    _, model = make(likelihood, width, latent_dim)
    x = torch.rand(1, 784).round()
    took = best(lambda: read_image(model, x, n_samples=1000), 20)
    print(f"\n{name}: one image at M = 1,000 in {1000 * took:.1f} ms (to reach: 100)")


def test_working_memory_keeps_its_bound():
    """In a fresh process, because a peak never falls."""
    code = (
        "import resource, torch\n"
        "from tests.benchmarks.bench_log_probability import make, estimate\n"
        "_, model = make('gaussian', 1024, 20)\n"
        "x = torch.rand(40, 784)\n"
        "estimate(model, x[:1], n_samples=2)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "estimate(model, x, n_samples=2000)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=True
    )
    grown = int(done.stdout) / 1024
    print(f"\nworking memory grew by {grown:.1f} MB at its peak; the bound is {MEMORY_BYTES / 2**20:.0f} MB")
