"""The headline of a run that has not been evaluated: its measures after the last whole epoch, read from its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.runs.store import Run
from pages._ui.show import reading
from pages._ui.show.panels import Figure, headline


@dataclass(frozen=True)
class SoFar:
    """A measure of the history: its column, what it is called, its format; ``high`` where more is better."""

    column: str
    label: str
    format: str
    high: bool = False


def figures(run: Run, measures: Sequence[SoFar], unit: str = "epoch") -> list[Figure]:
    """Return the latest value of each measure that the run has recorded, with the best one as small print."""
    history, grows = reading.history(run), run.status in ("queued", "running")
    found = []
    for one in measures:
        if one.column not in history.columns:
            continue
        values = history[["epoch", one.column]][np.isfinite(history[one.column])]
        if values.empty:
            continue
        last = values.iloc[-1]
        best = values.loc[values[one.column].idxmax() if one.high else values[one.column].idxmin()]
        figure = Figure(one.label, float(last[one.column]), one.format)
        note = f"{'so far, ' if grows else ''}after {unit} {int(last['epoch'])} of {run.config.epochs}"
        if int(best["epoch"]) != int(last["epoch"]):
            word = "highest" if one.high else "lowest"
            note += f" · {word} {figure.text(float(best[one.column]))}, after {unit} {int(best['epoch'])}"
        found.append(Figure(one.label, figure.value, one.format, note=note))
    return found


def so_far(run: Run, measures: Sequence[SoFar], unit: str = "epoch") -> bool:
    """Show that headline where the run has no final figures; return whether it stands in for them."""
    if run.metrics:
        return False
    found = figures(run, measures, unit)
    if found:
        headline(found)
    return True
