"""Averaged weights: what is validated, saved and shown is a running mean of what the optimiser moves."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def ema_update(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average of a model's weights towards the model: ``average = decay * average + (1 - decay) * model``.

    Polyak averaging with exponential weights. Running means and variances of normalisation layers are averaged too, so
    that they fit the averaged weights; counters are copied.
    """
    ours, theirs = average.state_dict(), model.state_dict()
    real = [name for name, value in ours.items() if value.is_floating_point()]
    torch._foreach_lerp_([ours[name] for name in real], [theirs[name] for name in real], 1 - decay)
    for name in ours.keys() - set(real):
        ours[name].copy_(theirs[name])


def ema_decay(step: float, decay: float) -> float:
    """Return the memory to use at a step: short at the start, so that the random first weights are forgotten."""
    return min(decay, (1 + step) / (10 + step))
