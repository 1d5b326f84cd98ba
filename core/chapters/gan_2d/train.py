"""The 2-D GAN: its task for the common loop.

The run's own seed is trained alone and filmed; the further seeds of ``config.trials`` are trained beside it
as one stack and measured at the end, so every figure of a run can be given over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.chapters.gan_2d.camera import Camera
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import FILE, Film
from core.chapters.gan_2d.recorded import STATES
from core.chapters.gan_2d.thumbnail import strip
from core.chapters.gan_2d.trainer import Trainer
from core.errors import RunError
from core.runs.recorder import START_OVER, Recorder
from core.training.loop import Task, fit
from core.training.weights import save_tensors

STATE_BYTES = 800_000  # for the states of one run; where they would need more, only every k-th frame keeps one


class Film2DTask(Task):
    """Trains the filmed seed and the others, and records a frame at the end of every epoch."""

    def __init__(self, config: GAN2DConfig, recorder: Recorder) -> None:
        self.config = config
        self.recorder = recorder
        self.filmed = Trainer(config, [config.seed])
        rest = range(config.seed + 1, config.seed + config.trials)
        self.others = Trainer(config, rest) if config.trials > 1 else None
        self.camera = Camera(self.filmed)
        self.film = self.camera.film()
        self.keep_every = state_interval(self.filmed, config.epochs)
        modules, optimizers = self.filmed.networks(), dict(self.filmed.optimizers)
        if self.others:
            modules |= {f"others_{name}": module for name, module in self.others.networks().items()}
            optimizers |= {f"others_{name}": one for name, one in self.others.optimizers.items()}
        exported = {name: module for name, module in modules.items() if name != "others_discriminator"}
        super().__init__(modules, optimizers, exported)

    def begin(self, epoch: int) -> None:
        """Let the film end at ``epoch``'s frame; where there is no film yet, record the untrained state or read it.

        Raises
        ------
        RunError
            If the run's film does not read, or ends before that frame.
        """
        path = self.recorder.path
        if epoch and not len(self.film):
            self.film = Film.load(path)
        if not len(self.film):
            self.film.add(0, self.camera.frame())
        if not self.recorder.rows:
            self.recorder.log(0, 0, **self.camera.measures())
        if len(self.film) <= epoch:
            raise RunError(f"{path / FILE} ends before frame {epoch}", START_OVER)
        self.film.cut(epoch + 1)
        self.film.save(path)

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[int]:
        """Return the steps of one frame. Their randomness depends on their number alone, not on ``generator``."""
        first = (epoch - 1) * self.config.steps_per_frame
        for trainer in (self.filmed, self.others):
            if trainer:
                trainer.set_clock(first)
        return range(first, first + self.config.steps_per_frame)

    def step(self, batch: int, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Take one step of every seed; ``loss`` is the mean over seeds of both losses, the rest is the filmed one's."""
        terms = self.filmed.step()
        total = terms["d_loss"].sum() + terms["g_loss"].sum()
        if self.others:
            other = self.others.step()
            total = (total + other["d_loss"].sum() + other["g_loss"].sum()) / self.config.trials
        return {"loss": total, **{name: value[0] for name, value in terms.items()}}, 1

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Measure and film the state after a frame's steps, and keep it where it is due."""
        self.film.add(epoch * self.config.steps_per_frame, self.camera.frame())
        self.film.save(self.recorder.path)
        if epoch % self.keep_every == 0:
            save_tensors(self.recorder.path / STATES / f"{epoch}.safetensors", self.filmed.state())
        return self.camera.measures()

    def grids(self, epoch: int) -> Mapping[str, NDArray[np.uint8]]:
        """Return the film's moments as small pictures, for the home page."""
        return {"samples": strip(self.film)}


def state_interval(trainer: Trainer, frames: int) -> int:
    """Return after how many frames a state is kept, so that all of them stay within STATE_BYTES."""
    parameters = sum(p.numel() for module in trainer.networks().values() for p in module.parameters())
    return max(1, math.ceil(3 * 4 * parameters * frames / STATE_BYTES))  # weights and two moments, 4 bytes each


def train(config: GAN2DConfig, recorder: Recorder) -> str:
    """Train a run (the seeds of ``config.trials`` together), filming its own seed."""
    task = Film2DTask(config, recorder)
    return fit(task, recorder, epochs=config.epochs, seed=config.seed, grid_epochs=[config.epochs])
