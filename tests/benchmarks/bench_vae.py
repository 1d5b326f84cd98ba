"""An epoch of the VAE against the usual loop and against the arithmetic's floor. Prints figures, asserts none.

``python -m tests.benchmarks.bench_vae`` or ``pytest -m benchmark -s tests/benchmarks/bench_vae.py``

Network 784-400-20-400-784, batch 128, Adam, one process, the same start. The usual loop takes images one by one
through a transform like torchvision's ``ToTensor`` and a ``DataLoader``; ours holds them as one tensor. Epochs of both
alternate, so that a busy machine slows both. The floor is the network's matrix products alone, at the speed of a large
one. Beside the wall clock stands the processor time: on a busy machine it is the fairer figure.
"""

import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from core import settings
from core.data import availability, load
from core.families.vaes.config import VAEConfig
from core.families.vaes.likelihood import kl_standard_normal, log_likelihood
from core.families.vaes.task import MODEL, VAETask, build
from core.training.loop import seeded

pytestmark = pytest.mark.benchmark
EPOCHS = 2
SIZES = ((784, 400), (400, 40), (20, 400), (400, 784))


class OneByOne(Dataset):
    """Images that are converted when they are asked for, as a torchvision data set with ``ToTensor`` does."""

    def __init__(self, split, convert):
        self.split, self.convert = split, convert

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        return self.convert(self.split.images[index]), int(self.split.labels[index])


def to_tensor():
    """Return torchvision's ``ToTensor`` on PIL images, as its MNIST data set applies it."""
    from PIL import Image
    from torchvision.transforms import ToTensor

    transform = ToTensor()
    return lambda image: transform(Image.fromarray(image))


def usual_epoch(vae, optimizer, loader, config):
    """Train one epoch in the usual way; return the mean loss."""
    total = 0.0
    for images, _ in loader:
        x = images.flatten(1)
        logits, mu, logvar = vae(x)
        log_prob = log_likelihood(logits, x, likelihood=config.likelihood, sigma=config.sigma)
        loss = (kl_standard_normal(mu, logvar).sum(1) - log_prob).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


def our_epoch(task, epoch):
    """Train one epoch by the chapter's own task; return the mean loss."""
    generator = seeded(0, "training", epoch)
    batches = task.batches(epoch, generator)
    total = 0.0
    for number, batch in enumerate(batches):
        task.done = epoch - 1 + number / len(batches)
        terms, size = task.step(batch, generator)
        total += float(terms["loss"]) * size
    return total / len(task.images)


def floor_s(n_images):
    """Return the seconds that an epoch's products take at the speed of a large one: forward once, backward twice."""
    side = 2048
    a, b = torch.randn(side, side), torch.randn(side, side)
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - begun)
    per_flop = min(times) / (2 * side**3)
    forward = sum(2 * i * o for i, o in SIZES)
    return 3 * forward * n_images * per_flop, 1 / per_flop / 1e9


def timed(function, *args):
    """Return what the function returns, its wall time and its processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = function(*args)
    return value, time.perf_counter() - wall, time.process_time() - cpu


def measure():
    """Run both loops in turn and print what they took."""
    torch.set_num_threads(settings.threads())
    config = VAEConfig(
        data="mnist" if availability("mnist").ready else "mnist-5k",
        epochs=VAEConfig.option("epochs").high,  # the rate falls over so many: in two of them it stays what it is
        width=400,
        depth=1,
        activation="relu",
        batch_size=128,
        learning_rate=0.001,
        warmup=0.0,
        ema=0.0,
    )
    split = load(config.data, "train")
    task = VAETask(config, split, load(config.data, "validation"))
    vae = build(config)[MODEL]
    vae.load_state_dict(task.vae.state_dict())
    optimizer = torch.optim.Adam(vae.parameters(), lr=config.learning_rate)
    loader = DataLoader(OneByOne(split, to_tensor()), batch_size=128, shuffle=True)
    figures = {"usual": [], "ours": []}
    for epoch in range(1, EPOCHS + 1):
        figures["usual"].append(timed(usual_epoch, vae, optimizer, loader, config))
        figures["ours"].append(timed(our_epoch, task, epoch))
    floor, speed = floor_s(len(split))
    print(f"\n{len(split):,} images of {config.data}, {torch.get_num_threads()} threads")
    for name, rows in figures.items():
        losses = ", ".join(f"{row[0]:.2f}" for row in rows)
        wall, cpu = (np.median([row[i] for row in rows]) for i in (1, 2))
        print(f"{name:6s} {wall:6.2f} s an epoch, processor {cpu:6.2f} s, loss of each epoch {losses} nats")
    for word, place in (("wall", 1), ("processor", 2)):
        usual, ours = (np.median([row[place] for row in figures[name]]) for name in ("usual", "ours"))
        print(f"{word}: {usual / ours:.1f} times faster (to reach: 3)")
    ours = np.median([row[1] for row in figures["ours"]])
    print(f"floor {floor:.2f} s ({speed:.0f} GFLOP/s in a 2048 product): ours takes {ours / floor:.1f} times the floor")


def test_bench_vae():
    measure()


if __name__ == "__main__":
    measure()
