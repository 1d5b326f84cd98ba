"""Learning-rate and annealing schedules: pure functions of how far training is."""

from __future__ import annotations

import math

import torch


def ramp(done: float, length: float) -> float:
    """Return a linear ramp from 0 to 1 over ``length`` (1 where length is 0)."""
    return 1.0 if length <= 0 else min(1.0, max(0.0, done / length))


def warmup_cosine(done: float, total: float, warmup: float = 0.0, floor: float = 0.0) -> float:
    """Return the factor of a cosine decay from 1 to ``floor`` after a linear warm-up (arXiv:1608.03983, eq. 5)."""
    if done < warmup:
        return ramp(done, warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * ramp(done - warmup, total - warmup)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
