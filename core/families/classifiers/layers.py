"""The layers of the classifier as plain data: the network is built from them and the page lists them. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

SIDE = 28
N_CLASSES = 10


@dataclass(frozen=True)
class Stage:
    """One 3 x 3 convolution with normalisation and ReLU.

    ``times`` is the number of output channels in multiples of the width; ``pool`` is ``""``, ``"halve"`` (maximum over
    2 x 2 pixels) or ``"global"`` (maximum over all places).
    """

    times: int
    pool: str = ""


STAGES = (Stage(1, "halve"), Stage(2), Stage(2, "halve"), Stage(4), Stage(4, "global"))


def architecture(width: int) -> pd.DataFrame:
    """Return the network layer by layer: ``Layer``, ``Output`` (channels x height x width) and ``Weights``.

    Parameters
    ----------
    width
        Channels of the first convolution.
    """
    rows, channels, side = [], 1, SIDE
    for stage in STAGES:
        outputs = stage.times * width
        weights = 9 * channels * outputs + 2 * outputs
        words = {"": "", "halve": ", maximum of 2 × 2", "global": ", maximum of all"}[stage.pool]
        side = {"": side, "halve": side // 2, "global": 1}[stage.pool]
        shape = f"{outputs} × {side} × {side}" if side > 1 else f"{outputs}"
        rows.append((f"Convolution 3 × 3{words}", shape, weights))
        channels = outputs
    rows.append(("Linear, softmax", f"{N_CLASSES}", (channels + 1) * N_CLASSES))
    return pd.DataFrame(rows, columns=["Layer", "Output", "Weights"])
