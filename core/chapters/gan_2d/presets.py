"""Named configurations of the 2-D GAN: the shipped runs, and where the laboratory starts. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.chapters.gan_2d.config import GAN2DConfig

# Chosen on seeds from 100 on; the shipped runs report seeds 0 to 9. Modes a hundredth of their distance wide need a
# critic that sees such detail early (its waves), high rates that fall to nearly 0, and more steps.
_CRITIC = {
    "loss": "wasserstein",
    "g_layers": 3,
    "d_layers": 3,
    "g_neurons": 64,
    "d_neurons": 64,
    "d_features": 16,
    "g_rate": 0.005,
    "d_rate": 0.005,
    "beta1": 0.5,
    "beta2": 0.9,
    "gp_weight": 0.25,
}


@dataclass(frozen=True)
class Preset:
    """A configuration with a name and what to look for in it; ``values`` are what differs from the defaults."""

    title: str
    look_for: str
    values: dict[str, Any]

    def config(self, **changes: Any) -> GAN2DConfig:
        """Return the configuration, with some fields changed."""
        return GAN2DConfig.from_dict({**self.values, **changes})


PRESETS: dict[str, Preset] = {
    "parabola": Preset(
        "Parabola",
        "the report's picture: the field turns grey where the two sets come to overlap",
        {"data": "parabola"},
    ),
    "line": Preset("Line", "the generator folds a square of noise onto a line", {"data": "line"}),
    "ring": Preset(
        "Ring of 8 (WGAN-GP)",
        "all eight modes, each a hundredth of the ring's radius wide",
        {"data": "ring", **_CRITIC, "steps_per_frame": 60},
    ),
    "grid": Preset(
        "Grid of 25 (WGAN-GP)",
        "twenty-five modes found one after another, and the thin bridges between them",
        {"data": "grid", **_CRITIC, "steps_per_frame": 100},
    ),
    "moons": Preset("Two moons", "one sheet of noise torn into two arcs", {"data": "moons"}),
    "disjoint": Preset(
        "Disjoint clusters (packing 3)",
        "three clusters of unequal weight, held together by a discriminator that sees three points at once",
        {"data": "disjoint", "packing": 3, "d_neurons": 48},
    ),
    "collapse": Preset(
        "Mode collapse (make this fail)",
        "a generator that moves four times for each move of its discriminator jumps from cluster to cluster",
        {"data": "disjoint", "g_steps": 4, "g_rate": 0.002, "d_rate": 0.002, "beta1": 0.5, "decay": False},
    ),
}
