"""A small convolutional classifier of 28 x 28 images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_CLASSES = 10


def block(inputs: int, outputs: int, pool: nn.Module | None = None) -> list[nn.Module]:
    """Return a 3 x 3 convolution, pooling if any, batch normalisation (arXiv:1502.03167) and ReLU.

    Pooling comes right after the convolution: where the normalisation's scale is positive the maximum commutes with
    it and with ReLU, and both then work on a quarter of the pixels.
    """
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)  # the normalisation brings its own bias
    return [convolution, *([pool] if pool else []), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class Classifier(nn.Module):
    """Five convolutions in three stages of 28, 14 and 7 pixels, the maximum over places, and one linear layer.

    Taking the maximum over places, instead of flattening, asks whether a shape is there and not where: it needs few
    weights and forgives shifts.

    Parameters
    ----------
    width
        Channels of the first convolution; the later stages have 2 and 4 times as many.
    dropout
        Share of features set to 0 in training before the linear layer.
    """

    def __init__(self, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.body = nn.Sequential(
            *block(1, width, nn.MaxPool2d(2)),
            *block(width, 2 * width),
            *block(2 * width, 2 * width, nn.MaxPool2d(2)),
            *block(2 * width, 4 * width),
            *block(4 * width, 4 * width, nn.AdaptiveMaxPool2d(1)),
            nn.Flatten(),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4 * width, N_CLASSES)

    def features(self, x: Tensor) -> Tensor:
        """Return the features before the linear layer.

        Parameters
        ----------
        x
            Images in [0, 1], shape (n, 1, 28, 28), as ``core.data.preprocess`` makes them.

        Returns
        -------
        Tensor
            Shape (n, 4 * width), not negative.
        """
        out: Tensor = self.body(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of images of shape (n, 1, 28, 28): shape (n, 10)."""
        logits: Tensor = self.head(self.dropout(self.features(x)))
        return logits


@torch.no_grad()
def average_into(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average of a model's weights towards the model: ``average = decay * average + (1 - decay) * model``.

    Polyak averaging with exponential weights. Running means and variances of normalisation layers are averaged too, so
    that they fit the averaged weights; counters are copied.
    """
    ours, theirs = average.state_dict(), model.state_dict()
    real = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[name] for name in real], [theirs[name] for name in real], 1 - decay)
    for name in ours.keys() - set(real):
        ours[name].copy_(theirs[name])
