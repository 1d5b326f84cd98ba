"""Evaluation of the tiny chapter."""

from __future__ import annotations

import pandas as pd
import torch

from core.runs.store import Run
from core.training.session import Evaluation
from core.training.weights import load_weights
from tests.stub.train import N, build, hold, points

TOLERANCES = {"": 1e-6}


def evaluate(run: Run, device: str = "cpu") -> Evaluation:
    hold(run.path, 0)
    modules = build(run.config)
    load_weights(run, modules)
    x, y = points()
    with torch.inference_mode():
        error = (modules["head"](modules["body"](x)) - y).squeeze(1)
    table = pd.DataFrame({"point": range(N), "error": error.numpy()})
    return Evaluation({"test_elbo_nats": -float((error**2).mean())}, {"errors": table})
