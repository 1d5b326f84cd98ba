"""Tiny runs of the log-probability and per-image latents chapters, trained for two epochs on mnist-5k."""

from core.chapters.latent_vae.config import LatentVAEConfig
from core.chapters.log_probability.config import LogProbabilityConfig
from tests.trained import trained_once

COMMON = {"data": "mnist-5k", "epochs": 2, "width": 16, "depth": 1, "latent_dim": 4, "ema": 0.9, "samples": 20}
LOG_PROBABILITY = LogProbabilityConfig(
    **COMMON, most_samples=160, train_images=60, validation_images=200, ais_images=1, ais_temperatures=5
)
LATENT = LatentVAEConfig(**COMMON, kept_images=40, refine_steps=10)


def trained(store, name="tiny", experiment="log_probability", **changes):
    """Put a tiny run into the store, trained once a session, and return it."""
    config = (LOG_PROBABILITY if experiment == "log_probability" else LATENT).changed(**changes)
    return trained_once(store, experiment, config, name)
