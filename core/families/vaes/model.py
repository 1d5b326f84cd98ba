"""A variational autoencoder of flat images with dense layers (Kingma and Welling, arXiv:1312.6114)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.layers import perceptron
from core.networks import build


class VAE(nn.Module):
    """An encoder of means and log-variances and a decoder of logits, mirror images of each other, of dense layers.

    ``widths`` has the number of values after each layer of the decoder, z first and pixels last.

    Parameters
    ----------
    x_dim
        Pixels of a flat image.
    hidden
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    latent_dim
        Dimension of z.
    activation
        A key of ``core.layers.ACTIVATIONS``.
    """

    def __init__(
        self, x_dim: int = 784, hidden: tuple[int, ...] = (400,), latent_dim: int = 20, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.x_dim, self.latent_dim = x_dim, latent_dim
        self.encoder: nn.Module = build(perceptron([x_dim, *hidden, 2 * latent_dim], activation))
        self.widths = (latent_dim, *reversed(hidden), x_dim)
        self.decoder: nn.Module = build(perceptron(self.widths, activation))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``mu`` and ``logvar`` of q(z|x), each (batch, latent_dim), for ``x`` (batch, x_dim) in [0, 1]."""
        mu, logvar = self.encoder(x).chunk(2, dim=-1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Return logits of the mean image, (..., x_dim), for ``z`` (..., latent_dim)."""
        logits: Tensor = self.decoder(z)
        return logits

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``logits, mu, logvar`` with one draw of z per image."""
        mu, logvar = self.encode(x)
        return self.decode(reparameterise(mu, logvar, generator)), mu, logvar

    @torch.no_grad()
    def start_at(self, mean_image: Tensor, margin: float = 0.01) -> None:
        """Set the decoder's last bias so that training starts at the mean image (x_dim,), values in [0, 1]."""
        self.last_bias.copy_(torch.logit(mean_image.clamp(margin, 1 - margin)))

    @property
    def last_bias(self) -> nn.Parameter:
        """What is added to the logits last, (x_dim,)."""
        assert isinstance(self.decoder, nn.Sequential)
        last = self.decoder[-1]
        assert isinstance(last, nn.Linear)
        return last.bias


def reparameterise(mu: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return ``mu + exp(logvar / 2) * eps`` with standard normal eps (arXiv:1312.6114, section 2.4).

    The noise is drawn on the CPU, whatever the device, so that a seed means the same everywhere.
    """
    eps = torch.randn(mu.shape, generator=generator).to(mu.device)
    return mu + (0.5 * logvar).exp() * eps


def mean_image(logits: Tensor) -> Tensor:
    """Return the mean of p(x|z) in [0, 1]: the picture that is shown."""
    return logits.sigmoid()
