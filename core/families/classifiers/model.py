"""A small convolutional classifier of 28 x 28 images."""

from __future__ import annotations

from torch import Tensor, nn

from core.families.classifiers.layers import body, head
from core.networks import build, build_layer


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
        self.body = build(body(width))
        self.dropout = nn.Dropout(dropout)
        self.head = build_layer(head(width))

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
