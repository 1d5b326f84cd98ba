"""A variational autoencoder of 28 x 28 images with convolutions.

Weights are shared over places, so it learns more from few epochs than dense layers do. Two convolutions of stride 2
(Radford et al., arXiv:1511.06434, section 3) between image and a dense layer; the decoder mirrors them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.families.vaes.layers import SIDE, channels_of, conv_decoder, conv_encoder
from core.families.vaes.model import VAE
from core.networks import build


class ConvDecoder(nn.Module):
    """A dense layer, 7 x 7 feature maps, two transposed convolutions, and a bias for every pixel.

    The bias lets training start at the mean image, as that of a dense last layer does.
    """

    def __init__(self, width: int, latent_dim: int, activation: str) -> None:
        super().__init__()
        self.maps = build(conv_decoder(width, latent_dim, activation))
        self.bias = nn.Parameter(torch.zeros(SIDE * SIDE))

    def forward(self, z: Tensor) -> Tensor:
        """Return logits (..., 784) for z (..., latent_dim)."""
        logits: Tensor = self.maps(z.flatten(0, -2)) + self.bias  # convolutions take one leading dimension
        return logits.view(*z.shape[:-1], SIDE * SIDE)


class ConvVAE(VAE):
    """A VAE of flat images of 784 pixels whose encoder and decoder are convolutional.

    Parameters
    ----------
    width
        Neurons of the dense layers; a sixteenth of it are the channels of the outer convolutions.
    latent_dim
        Dimension of z.
    activation
        A key of ``core.layers.ACTIVATIONS``.
    """

    def __init__(self, width: int = 256, latent_dim: int = 20, activation: str = "relu") -> None:
        nn.Module.__init__(self)  # a VAE's methods, without its dense layers
        c = channels_of(width)
        self.x_dim, self.latent_dim = SIDE * SIDE, latent_dim
        self.widths = (latent_dim, width, 2 * c * 49, c * 196, self.x_dim)
        self.encoder: nn.Module = build(conv_encoder(width, latent_dim, activation))
        self.decoder = ConvDecoder(width, latent_dim, activation)

    @property
    def last_bias(self) -> nn.Parameter:
        """What is added to the logits last, (784,)."""
        assert isinstance(self.decoder, ConvDecoder)
        return self.decoder.bias
