"""What a training that diverged shows, and what to change: sentences computed from its history and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.options import Config
from core.registry import experiment
from core.runs.naming import setting
from core.runs.store import Run

SLOWER = 3.0  # a rate that broke a training is divided by this
MOST = 4  # settings that are compared with a run that did not diverge
APART = {"data", "epochs", "seed"}  # what does not make a training diverge


def learned(run: Run, beside: Run | None = None) -> list[str]:
    """Return what a diverged run shows: where it broke, how it had gone until then, and what it was trained with.

    Parameters
    ----------
    run
        A run of status ``diverged``.
    beside
        A run of the same experiment that did not diverge, to compare the settings with.
    """
    history = run.history()
    return [*_broke(run, history), *_course(run.whole_history()), *(_settings(run, beside) if beside else [])]


def _broke(run: Run, history: pd.DataFrame) -> list[str]:
    if run.diverged_at is None:
        return []
    epoch, step = run.diverged_at
    row = history[history["epoch"] == epoch].tail(1)
    terms = [name for name in row.columns if name.startswith("train_") and not np.isfinite(row[name]).all()]
    words = [name.removeprefix("train_").replace("_", " ") for name in terms]
    of = f" ({', '.join(words)})" if words else ""
    return [f"In step {step:,}, in epoch {epoch:,}, the loss was no longer a finite number{of}."]


def _course(whole: pd.DataFrame) -> list[str]:
    """Say how the loss had gone over the whole epochs: the last one beside the lowest."""
    column = next((name for name in ("validation_loss", "train_loss") if name in whole.columns), None)
    past = whole[np.isfinite(whole[column])] if column else whole.iloc[:0]
    past = past[past["epoch"] > 0]
    if column is None or past.empty:
        return ["No epoch was whole before that: the first updates were already too large."]
    word = "Validation loss" if column == "validation_loss" else "Training loss"
    losses, epochs = past[column].to_numpy(float), past["epoch"].to_numpy(int)
    lowest, last = int(losses.argmin()), len(losses) - 1
    if lowest == last:
        return [
            f"{word} was at its lowest, {_plain(losses[last])}, after epoch {epochs[last]}: it broke without a sign."
        ]
    return [
        f"{word} was lowest after epoch {epochs[lowest]} ({_plain(losses[lowest])}) and {_plain(losses[last])} after "
        f"epoch {epochs[last]}: it was unstable before it broke."
    ]


def _plain(value: float) -> str:
    """Return a loss with four digits, or in whole thousands: ``0.1234``, ``36,260``."""
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"
    return text.replace("-", "−")


def _settings(run: Run, beside: Run) -> list[str]:
    kind = experiment(run.experiment).config
    said = []
    for option in kind.options():
        mine, theirs = (getattr(one.config, option.name) for one in (run, beside))
        if mine != theirs and option.name not in APART:
            said.append(f"{setting(option, mine)} (there {setting(option, theirs).removeprefix(_words(option.name))})")
    origin = "the shipped run" if beside.shipped else "your run"
    if not said:
        return [f"{origin.capitalize()} {beside.name} has the same settings and did not diverge: try another seed."]
    more = f" and {len(said) - MOST} more" if len(said) > MOST else ""
    return [f"{origin.capitalize()} {beside.name} did not diverge; here differ: {', '.join(said[:MOST])}{more}."]


def _words(name: str) -> str:
    return f"{name.replace('_', ' ')} "


def gentler(kind: type[Config], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config's values with every learning rate at a third, as far as its range goes."""
    slower = dict(config)
    for option in kind.options():
        value = config.get(option.name, option.default)
        if option.name.endswith("_rate") and isinstance(value, int | float):
            slower[option.name] = max(float(f"{value / SLOWER:.2g}"), option.low or 0.0)
    return slower


def gentler_words(kind: type[Config], config: Mapping[str, Any]) -> str:
    """Return what :func:`gentler` changes, in words: ``learning rate 0.0033 instead of 0.01``."""
    slower = gentler(kind, config)
    changed = [one for one in kind.options() if slower.get(one.name) != config.get(one.name)]
    return ", ".join(
        f"{setting(one, slower[one.name])} instead of {config.get(one.name, one.default):g}" for one in changed
    )
