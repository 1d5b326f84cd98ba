"""Evaluation of the 2-D GAN over its seeds."""

from __future__ import annotations

import pandas as pd
import torch
from torch import nn

from core.chapters.gan_2d.camera import held_out_histogram
from core.chapters.gan_2d.clouds import compare
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.modes import mode_report
from core.chapters.gan_2d.trainer import build, noise, stream
from core.data.points import distribution
from core.runs.store import Run
from core.training.session import Evaluation
from core.training.verifying import Tolerances, Within
from core.training.weights import load_weights

SAMPLES = 10_000


# Metrics are those of the stored weights and noise comes from numpy, so only the rounding of matrix products differs
# between machines. It moves a sample or two of 10,000 across the border of a bin or of a mode.
TOLERANCES: Tolerances = {
    "": Within(1e-3, share=0.01),
    "trials": 0.0,
    **dict.fromkeys(("kl_mean", "kl_std", "kl_max"), Within(1e-2, share=0.01)),
    **dict.fromkeys(("sigma_ratio_mean", "sigma_ratio_std", "sigma_ratio_min"), Within(1e-2, share=0.01)),
}


WORST = {"js": max, "kl": max, "reverse_kl": max, "modes": min, "high_quality": min, "sigma_ratio": min}


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
    config = run.config_as(GAN2DConfig)
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
