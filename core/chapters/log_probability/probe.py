"""The log-probability chapter's probe: one image measured now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.chapters.log_probability.config import LogProbabilityConfig
from core.data.images import as_tensor
from core.families.log_probs.latent_model import LatentModel, Reading, read_image
from core.families.vaes.task import inputs
from core.training.loop import seeded


def read(model: LatentModel, image: NDArray[np.uint8], config: LogProbabilityConfig, n_samples: int = 1000) -> Reading:
    """Measure one image, uint8 (28, 28), as the run's images were measured: for the page's probe."""
    x = as_tensor(image)[None]
    return read_image(
        model, inputs(x, config, seeded(config.seed, "evaluation")), n_samples=n_samples, seed=config.seed
    )
