"""Per-image latents: a table of posterior means and log-variances, and the optimiser that trains single rows.

This is inference without an encoder: q(z|x_i) = N(mu_i, diag(exp(logvar_i))) has its own parameters for every
image i. An image is seen once per epoch, so everything here touches only the rows of the batch: one copy of the
table exists, its gradient is the size of a batch, and so is an update's work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from core.errors import ConfigError

MAX_LOGVAR = 4.0
MIN_LOGVAR = -10.0


class Decoder(nn.Module):
    """A decoder alone: the encoder's work is done by a table of latents.

    Parameters
    ----------
    decoder
        Network from z to logits.
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def decode(self, z: Tensor) -> Tensor:
        """Return logits (..., pixels) for z (..., latent_dim)."""
        logits: Tensor = self.decoder(z)
        return logits

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Refuse: q has to be given."""
        raise ConfigError("this model has no encoder", "Give the posterior of each image")


class LatentTable(nn.Module):
    """Means and log-variances of n images, stored as one array (n, 2 * latent_dim), log-variances last.

    Parameters
    ----------
    n
        Number of images.
    latent_dim
        Dimension of z.
    """

    def __init__(self, n: int, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.rows = nn.Parameter(torch.zeros(n, 2 * latent_dim))  # q = N(0, I): the prior

    def __len__(self) -> int:
        return len(self.rows)

    def forward(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and logvar of some images, each (batch, latent_dim), with sparse gradients."""
        picked = nn.functional.embedding(indices, self.rows, sparse=True)
        mu, logvar = picked.split(self.latent_dim, dim=1)
        # Without the clamp a large step could make exp(logvar) overflow, and one image would end the training.
        return mu, logvar.clamp(MIN_LOGVAR, MAX_LOGVAR)

    @torch.no_grad()
    def fill(self, indices: Tensor | slice, mu: Tensor, logvar: Tensor) -> None:
        """Set the rows of some images in place."""
        self.rows[indices, : self.latent_dim] = mu
        self.rows[indices, self.latent_dim :] = logvar


class RowAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, arXiv:1412.6980) on the rows that have a gradient, each with its own count of steps.

    Dense Adam would move every image's latents at every batch by its momentum, and ``torch.optim.SparseAdam`` corrects
    the bias of all rows by one count, which is wrong for rows that are seen at different times.

    Parameters
    ----------
    params
        Two-dimensional parameters with sparse gradients.
    lr, betas, eps
        As in the paper.
    """

    def __init__(
        self, params: Iterable[Tensor], lr: float = 1e-2, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update the rows of every parameter's sparse gradient once."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
            state["steps"] = torch.zeros(len(parameter), 1, dtype=torch.float32, device=parameter.device)
        gradient = parameter.grad.coalesce()  # type: ignore[union-attr]
        rows, values = gradient.indices()[0], gradient.values()
        first, second = group["betas"]
        steps = state["steps"][rows] + 1
        mean = torch.lerp(state["mean"][rows], values, 1 - first)
        square = torch.lerp(state["square"][rows], values.square(), 1 - second)
        state["steps"][rows], state["mean"][rows], state["square"][rows] = steps, mean, square
        # 1 - 0.999^t cancels in single precision: at t = 1 it would be wrong by 1e-4 of its value.
        exact = steps.double()
        unbiased, scale = mean / (1 - first**exact), (square / (1 - second**exact)).sqrt()
        parameter.index_add_(0, rows, (unbiased / (scale + group["eps"])).to(parameter), alpha=-group["lr"])
