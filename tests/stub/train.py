"""Training of the tiny chapter."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import torch
from torch import nn

from core.runs.recorder import Recorder
from core.training.loop import IndexBatches, Task, fit, seeded
from core.training.schedules import set_rate, warmup_cosine
from tests.stub.config import StubConfig

N, BATCH = 60, 16


def build(config: StubConfig) -> dict[str, nn.Module]:
    """The modules, initialised from the config's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeded(config.seed, "init").initial_seed())
        body = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2))
        return {"body": body, "head": nn.Linear(8, 1)}


def points() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(N, 4, generator=torch.Generator().manual_seed(1))
    return x, x.sum(1, keepdim=True).sin()


class Regression(Task):
    """A small regression."""

    def __init__(self, config: StubConfig, epochs: int) -> None:
        modules = build(config)
        adam = torch.optim.Adam(modules["body"].parameters(), 1e-2, fused=True)
        sgd = torch.optim.SGD(modules["head"].parameters(), 1e-2, momentum=0.9)
        super().__init__(modules, {"adam": adam, "sgd": sgd})
        self.x, self.y = points()
        self.total = epochs

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        return self.modules["head"](self.modules["body"](x))

    def batches(self, epoch: int, generator: torch.Generator) -> IndexBatches:
        return IndexBatches(N, BATCH, generator)

    def step(self, batch: torch.Tensor, generator: torch.Generator) -> tuple[dict[str, torch.Tensor], int]:
        set_rate(self.optimizers["sgd"], 1e-2 * warmup_cosine(self.done, self.total, 1.0))
        noise = 0.01 * torch.randn(len(batch), 4, generator=generator)
        loss = ((self.predict(self.x[batch] + noise) - self.y[batch]) ** 2).mean()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {"loss": loss.detach(), "double": 2 * loss.detach()}, len(batch)

    def validate(self, epoch: int) -> dict[str, float]:
        noisy = self.x + 0.01 * torch.randn_like(self.x)  # torch's own generator, which the loop seeds
        return {"validation_loss": float(((self.predict(noisy) - self.y) ** 2).mean())}

    def grids(self, epoch: int) -> dict[str, np.ndarray]:
        return {"samples": np.full((2, 3, 4, 5), epoch, np.uint8)}


def hold(recorder_path: Path, epoch: int) -> None:
    """Wait while STUB_HOLD says so."""
    name = os.environ.get("STUB_HOLD")
    while name and Path(name).exists() and int(Path(name).read_text() or -1) == epoch:
        if epoch and (recorder_path / "stop").exists():
            return
        threading.Event().wait(0.005)


def train(config: StubConfig, recorder: Recorder) -> str:
    task = Regression(config, config.epochs)
    plain = task.batches

    def batches(epoch: int, generator: torch.Generator) -> IndexBatches:
        hold(recorder.path, epoch)
        return plain(epoch, generator)

    task.batches = batches  # type: ignore[method-assign]
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=[1, 3])
