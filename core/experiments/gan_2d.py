"""The 2-D GAN: its task for the common loop, its evaluation over seeds, and the way back to a recorded step.

The run's own seed is trained alone and filmed; the further seeds of ``config.trials`` are trained beside it
as one stack and measured at the end, so every figure of a run can be given over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core.configs import GAN2DConfig
from core.data.points import distribution
from core.errors import RunError
from core.metrics.clouds import compare
from core.metrics.modes import mode_report
from core.training.gan2d_camera import Camera, held_out_histogram
from core.training.gan2d_film import FILE, Film
from core.training.gan2d_thumbnail import strip
from core.training.gan2d_trainer import Trainer, build, noise, stream
from core.training.loop import Task, fit
from core.training.recorder import START_OVER, Recorder
from core.training.runs import Run
from core.training.session import Evaluation
from core.training.weights import load_tensors, load_weights, save_tensors

STATES = "states"
STATE_BYTES = 800_000  # for the states of one run; where they would need more, only every k-th frame keeps one
SAMPLES = 10_000
MODE_TABLE = "modes"
SEED_TABLE = "seeds"

# Weights are stored exactly and noise comes from numpy, so only the rounding of matrix products differs between
# machines. It moves a few of 10,000 samples across the border of a bin or of a mode.
TOLERANCES: dict[str, float] = {
    "": 1e-3,
    "trials": 0.0,
    "modes_mean": 0.1,  # one mode of one seed, at the edge of a tenth of its share
    "modes_min": 1.0,
    "modes_std": 0.4,
    **dict.fromkeys(("kl_mean", "kl_std", "kl_max"), 1e-2),
    **dict.fromkeys(("sigma_ratio_mean", "sigma_ratio_std", "sigma_ratio_min"), 1e-2),
}
WORST = {"js": max, "kl": max, "reverse_kl": max, "modes": min, "high_quality": min, "sigma_ratio": min}


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


def modules_of(config: GAN2DConfig) -> dict[str, nn.Module]:
    """Return freshly made modules of the shapes that a run's ``weights.safetensors`` holds."""
    generator, discriminator = build(config, [config.seed])
    modules: dict[str, nn.Module] = {"discriminator": discriminator, "generator": generator}
    if config.trials > 1:
        modules["others_generator"] = build(config, range(config.seed + 1, config.seed + config.trials))[0]
    return modules


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    """Measure every seed's generator with 10,000 samples against fresh real points.

    Metrics are the mean, standard deviation and worst value over the seeds; ``js_floor`` is what 10,000 fresh real
    points themselves measure. Tables: ``seeds``, a row a seed, and ``modes``, each mode's share of good samples.
    """
    config = as_gan(run)
    modules = modules_of(config)
    load_weights(run, modules)
    source = distribution(config.data, config.points, config.jitter)
    rows, modes = [], []
    for index in range(config.trials):
        seed = config.seed + index
        stack = modules["others_generator" if index else "generator"]
        with torch.inference_mode():
            points = stack(torch.from_numpy(noise(config, stream(seed, "held-out", 1), SAMPLES)))[max(index - 1, 0)]
        rows.append({"seed": seed, **compare(points.numpy(), source, held_out_histogram(source, seed))})
        if source.n_modes:
            shares = mode_report(points.numpy(), source).shares
            modes += [{"seed": seed, "mode": k, "share": share} for k, share in enumerate(shares)]
    seeds = pd.DataFrame(rows)
    real = source.sample(SAMPLES, stream(config.seed, "held-out", 2))
    floor = compare(real, source, held_out_histogram(source, config.seed))["js"]
    tables = {"seeds": seeds} | ({"modes": pd.DataFrame(modes)} if modes else {})
    return Evaluation({"trials": float(config.trials), "js_floor": floor, **over_seeds(seeds)}, tables)


def over_seeds(seeds: pd.DataFrame) -> dict[str, float]:
    """Return each measure's mean, standard deviation (0 for one seed) and worst value over the rows."""
    metrics: dict[str, float] = {}
    for name in seeds.columns.drop("seed"):
        values = seeds[name]
        worst = WORST[name]
        metrics[f"{name}_mean"] = float(values.mean())
        metrics[f"{name}_std"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        metrics[f"{name}_{worst.__name__}"] = float(worst(values))
    return metrics


def as_gan(run: Run) -> GAN2DConfig:
    """Return the run's config; RunError if the run is of another experiment."""
    if not isinstance(run.config, GAN2DConfig):
        raise RunError(f"{run.id} is no 2-D GAN", "Pick a run of the experiment gan_2d")
    return run.config


def state_before(run: Run, epoch: int) -> tuple[Trainer, int]:
    """Return a trainer at the last kept state at or before a recorded frame, and the steps from there to the frame.

    Taking those steps leads to exactly the weights the run had then (on the machine that trained it; elsewhere up to
    the rounding of matrix products, which training amplifies).

    Raises
    ------
    RunError
        If the run has not recorded that frame, or the state's file does not read.
    """
    config = as_gan(run)
    if not 0 <= epoch <= run.meta["epochs_done"]:
        raise RunError(f"{run.id} has no frame {epoch}", f"Give a whole number from 0 to {run.meta['epochs_done']}")
    trainer = Trainer(config, [config.seed])
    kept = {int(file.stem) for file in (run.path / STATES).glob("*.safetensors") if file.stem.isdecimal()}
    start = max((one for one in kept if one <= epoch), default=0)
    if start:
        trainer.load_state(load_tensors(run.path / STATES / f"{start}.safetensors"))
    return trainer, (epoch - start) * config.steps_per_frame
