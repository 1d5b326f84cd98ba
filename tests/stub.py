"""A whole experiment in miniature, standing in for ``vae``: it trains in milliseconds and uses everything the loop has.

Batch normalisation and dropout, two optimisers (Adam, and SGD with momentum under a schedule), noise in validation,
grids and snapshots. Run as a script it is ``python -m core``, with that experiment.

``STUB_HOLD`` may name a file that holds the training up before the epoch whose number the file holds, until the file
is gone or a stop is asked for; epoch 0 stands for the evaluation, which hears no stop by itself.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from core.options import Config  # noqa: E402  # after the path, as a script
from core.runs.recorder import Recorder  # noqa: E402
from core.runs.store import Run  # noqa: E402
from core.training.loop import IndexBatches, Task, fit, seeded  # noqa: E402
from core.training.schedules import set_rate, warmup_cosine  # noqa: E402
from core.training.session import Evaluation  # noqa: E402
from core.training.weights import load_weights  # noqa: E402

NAME = "vae"  # the registered experiment whose module this replaces
N, BATCH = 60, 16
TOLERANCES = {"": 1e-6}


def build(config: Config) -> dict[str, nn.Module]:
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

    def __init__(self, config: Config, epochs: int) -> None:
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


def train(config: Config, recorder: Recorder) -> str:
    task = Regression(config, config.epochs)
    plain = task.batches

    def batches(epoch: int, generator: torch.Generator) -> IndexBatches:
        hold(recorder.path, epoch)
        return plain(epoch, generator)

    task.batches = batches  # type: ignore[method-assign]
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, snapshot_epochs=[1, 3])


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    import pandas as pd

    hold(run.path, 0)
    modules = build(run.config)
    load_weights(run, modules)
    x, y = points()
    with torch.inference_mode():
        error = (modules["head"](modules["body"](x)) - y).squeeze(1)
    table = pd.DataFrame({"point": range(N), "error": error.numpy()})
    return Evaluation({"test_elbo_nats": -float((error**2).mean())}, {"errors": table})


def module() -> ModuleType:
    """This experiment as a module of the registry."""
    made = ModuleType(f"core.experiments.{NAME}")
    made.__dict__.update(train=train, evaluate=evaluate, build=build, TOLERANCES=TOLERANCES)
    return made


if __name__ == "__main__":
    from core.cli import main

    sys.modules[f"core.experiments.{NAME}"] = module()
    sys.exit(main())
