"""The camera: turns a trainer's state into a frame of the film and into measures. Changes nothing in it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.chapters.gan_2d.clouds import compare
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import FIELD_SIZE, LATTICE, SHOWN, SHOWN_REAL, Film, Frame, to_bytes_level, to_steps
from core.chapters.gan_2d.histogram import histogram
from core.chapters.gan_2d.trainer import Trainer, noise, stream
from core.data.points import Distribution

MEASURED = 2520  # samples behind the measures of a frame: VEEGAN's and PacGAN's 2,500, in whole packs of 1 to 4
HELD_OUT = 100_000  # fresh real points behind the reference histogram
UNDECIDED = 0.1  # a level this close to one half is undecided
USUAL_SLOPE = {"non-saturating": 2.0, "least-squares": 1.0, "wasserstein": 1.0}  # sets the scale of the arrows


def cells(size: int = FIELD_SIZE) -> Tensor:
    """Return the centres of the field's cells, row by row from y = 0, shape (size * size, 2)."""
    ticks = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


def lattice(config: GAN2DConfig, size: int = LATTICE) -> Tensor:
    """Return a regular lattice of the noise with equal probability between its lines, shape (size * size, noise_dim).

    One-dimensional noise gives a line of ``size * size`` points. Normal noise is cut at its 1 and 99 % quantiles.
    """
    n = size if config.noise_dim == 2 else size * size
    if config.noise == "normal":
        ticks: Tensor = torch.special.ndtri(torch.linspace(0.01, 0.99, n, dtype=torch.float64)).float()
    else:
        ticks = torch.linspace(-1, 1, n)
    if config.noise_dim == 1:
        return ticks[:, None]
    second, first = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([first, second], dim=-1).reshape(-1, 2)


def held_out_histogram(source: Distribution, seed: int) -> NDArray[np.float64]:
    """Return the real distribution's histogram, from fresh points that no training has seen."""
    return histogram(source.sample(HELD_OUT, stream(seed, "held-out")))


class Camera:
    """Takes frames of a trainer's first seed, always with the same noise, so that frames compare."""

    def __init__(self, trainer: Trainer) -> None:
        config, rng = trainer.config, stream(trainer.seeds[0], "demo", 1)
        self.trainer = trainer
        self.shown = torch.from_numpy(noise(config, rng, SHOWN))
        self.measured = torch.from_numpy(noise(config, rng, MEASURED))
        self.lattice = lattice(config)
        self.cells = cells()
        self.reference = held_out_histogram(trainer.source, trainer.seeds[0])
        self.real_spread = float(trainer.real[0].std(0).norm())

    def film(self) -> Film:
        """Return an empty film of this training."""
        config = self.trainer.config
        about = {
            "loss": config.loss,
            "noise_dim": config.noise_dim,
            "lattice": LATTICE,
            "usual_slope": USUAL_SLOPE[config.loss],
        }
        return Film(to_steps(self.trainer.real[0, :SHOWN_REAL].numpy()), about)

    def frame(self) -> Frame:
        """Return the picture as it is now."""
        trainer = self.trainer
        with torch.no_grad():
            points = trainer.first_generator(self.shown)
            manifold = trainer.first_generator(self.lattice)
        field = trainer.field(self.cells).reshape(FIELD_SIZE, FIELD_SIZE)
        arrows = trainer.arrows(points).nan_to_num().clamp(-6e4, 6e4)  # what half precision holds
        return {
            "field": to_bytes_level(field.numpy()),
            "points": to_steps(points.numpy()),
            "arrows": arrows.numpy().astype(np.float16),
            "manifold": to_steps(manifold.numpy()),
        }

    def measures(self) -> dict[str, float]:
        """Return the measures of this moment: those of ``gan_2d.clouds.compare``, and of the discriminator.

        ``arrow`` is the mean length of the gradient arrows, ``undecided`` the share of the square where the
        discriminator cannot tell, ``level_real`` and ``level_generated`` its mean level on each set, ``spread`` the
        generated points' standard deviation over the real points'.
        """
        trainer = self.trainer
        with torch.no_grad():
            points = trainer.first_generator(self.measured)
        field = trainer.field(self.cells)
        return {
            **compare(points.numpy(), trainer.source, self.reference),
            "arrow": float(trainer.arrows(points).norm(dim=1).mean()),
            "undecided": float(((field - 0.5).abs() < UNDECIDED).float().mean()),
            "level_real": float(trainer.field(trainer.real[0, :SHOWN_REAL]).mean()),
            "level_generated": float(trainer.field(points[:SHOWN_REAL]).mean()),
            "spread": float(points.std(0).norm()) / max(self.real_spread, 1e-9),
        }
