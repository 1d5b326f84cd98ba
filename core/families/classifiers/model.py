"""A small convolutional classifier of 28 x 28 images."""

from __future__ import annotations

from torch import Tensor, nn

from core.families.classifiers.layers import N_CLASSES, STAGES


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
        pools = {"": None, "halve": nn.MaxPool2d(2), "global": nn.AdaptiveMaxPool2d(1)}
        layers: list[nn.Module] = []
        channels = 1
        for stage in STAGES:
            layers += block(channels, stage.times * width, pools[stage.pool])
            channels = stage.times * width
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, N_CLASSES)

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
