"""What a reader asks of a VAE: new draws, walks through the latent space, paths between images.

Every function takes a model in eval mode and returns a grid of mean images, uint8 (rows, columns, 28, 28).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.images import as_tensor
from core.families.vaes.config import VAEConfig
from core.families.vaes.model import VAE
from core.families.vaes.task import decoded, inputs
from core.training.loop import seeded


def _grid(vae: VAE, z: Tensor) -> NDArray[np.uint8]:
    """Decode ``z`` (rows, columns, latent_dim)."""
    rows, columns = z.shape[:2]
    return decoded(vae, z.flatten(0, 1)).reshape(rows, columns, 28, 28)


def new_draws(vae: VAE, seed: int, rows: int = 4, columns: int = 10, spread: float = 1.0) -> NDArray[np.uint8]:
    """Return images decoded from fresh draws of N(0, spread^2 I)."""
    generator = torch.Generator().manual_seed(seed)
    return _grid(vae, spread * torch.randn(rows, columns, vae.latent_dim, generator=generator))


@torch.inference_mode()
def encoded_mean(vae: VAE, image: NDArray[np.uint8], config: VAEConfig) -> Tensor:
    """Return the encoder's mean of one image (28, 28), shape (latent_dim,)."""
    return vae.encode(inputs(as_tensor(image[None]), config, seeded(config.seed, "evaluation")))[0][0]


def traversal(vae: VAE, start: Tensor, dimensions: Sequence[int], reach: float, columns: int = 9) -> NDArray[np.uint8]:
    """Return a row per dimension: z is ``start`` (latent_dim,) but for that dimension, which goes -reach to +reach."""
    z = start.expand(len(dimensions), columns, -1).clone()
    values = torch.linspace(-reach, reach, columns)
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    return _grid(vae, z)


def plane(vae: VAE, start: Tensor, across: int, down: int, reach: float, side: int = 11) -> NDArray[np.uint8]:
    """Return a square of images: one dimension grows from left to right, another from bottom to top."""
    z = start.expand(side, side, -1).clone()
    values = torch.linspace(-reach, reach, side)
    z[:, :, across] = values[None, :]
    z[:, :, down] = values.flip(0)[:, None]
    return _grid(vae, z)


def path(vae: VAE, first: Tensor, last: Tensor, columns: int = 11) -> NDArray[np.uint8]:
    """Return the images on the straight line between two latents (latent_dim,), both ends included."""
    share = torch.linspace(0, 1, columns)[:, None]
    return _grid(vae, ((1 - share) * first + share * last)[None])
