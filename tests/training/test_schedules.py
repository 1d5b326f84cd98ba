"""Schedules against their closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.training.schedules import ramp, set_rate, warmup_cosine


def test_ramp():
    assert [ramp(done, 4) for done in (-1, 0, 1, 2, 4, 9)] == [0, 0, 0.25, 0.5, 1, 1]
    assert ramp(0, 0) == 1


def test_cosine_at_known_points():
    assert warmup_cosine(0, 10) == 1
    assert warmup_cosine(5, 10) == pytest.approx(0.5)
    assert warmup_cosine(10, 10) == pytest.approx(0)
    assert warmup_cosine(10, 10, floor=0.1) == pytest.approx(0.1)
    assert warmup_cosine(1, 10, warmup=2) == pytest.approx(0.5)
    assert warmup_cosine(2, 10, warmup=2) == 1
    assert warmup_cosine(4, 10, warmup=2) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))


@given(st.floats(0, 100), st.floats(0, 50), st.floats(0, 1))
def test_a_factor_lies_between_nought_and_one(done: float, warmup: float, floor: float):
    assert 0 <= warmup_cosine(done, 100, warmup, floor) <= 1 + 1e-12


def test_set_rate_reaches_every_group():
    layers = [torch.nn.Linear(1, 1) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": layer.parameters(), "lr": 1.0} for layer in layers])
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
