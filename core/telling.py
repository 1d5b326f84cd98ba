"""What every chapter's story needs of its runs: curves laid over each other, and measures of a run under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.charts.curves import long_form
from core.runs.naming import names
from core.runs.store import Run
from core.story import Figure

Derive = Callable[[Run, pd.DataFrame], pd.DataFrame]


class Tables(Mapping[str, pd.DataFrame]):
    """A run's tables by name, each read when it is asked for; RunError if one does not read.

    Parameters
    ----------
    run
        The run.
    read
        Reads a table by name; a page gives one that keeps what it has read.
    """

    def __init__(self, run: Run, read: Callable[[Run, str], pd.DataFrame] = Run.table) -> None:
        self._run, self._read = run, read

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self:
            raise KeyError(name)
        return self._read(self._run, name)

    def __contains__(self, name: object) -> bool:
        return name in self._run.tables()

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.tables())

    def __len__(self) -> int:
        return len(self._run.tables())


def overlaid(
    runs: Sequence[Run], series: dict[str, str], along: str = "epoch", derive: Derive | None = None
) -> pd.DataFrame:
    """Return the curves of one or several runs, ready to be drawn over each other; each is marked where it diverged.

    Parameters
    ----------
    runs
        The runs; several are told apart in a column ``run`` by what differs between them.
    series
        Column of the history to name of the curve; see :func:`core.charts.curves.long_form`.
    along
        Column of the horizontal axis, ``epoch`` or ``step``.
    derive
        Adds columns to a run's history before the curves are taken from it.
    """
    called = names(runs)
    parts = []
    for run in runs:
        end = run.diverged_at and run.diverged_at[("epoch", "step").index(along)]
        name = called[run.id] if len(called) > 1 else None
        history = run.whole_history()
        table = history if derive is None else derive(run, history)
        parts.append(long_form(table, series, name, along=along, diverged=end))
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class SoFar:
    """A measure of the history: its column, what it is called, its format; ``high`` where more is better."""

    column: str
    label: str
    format: str
    high: bool = False


def so_far(run: Run, measures: Sequence[SoFar], unit: str = "epoch") -> list[Figure]:
    """Return the latest value of each measure that a run has recorded, with the best one as small print."""
    history = run.whole_history()
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
        note = f"so far, after {unit} {int(last['epoch'])} of {run.config.epochs}"
        if int(best["epoch"]) != int(last["epoch"]):
            word = "highest" if one.high else "lowest"
            note += f" · {word} {figure.text(float(best[one.column]))}, after {unit} {int(best['epoch'])}"
        found.append(Figure(one.label, figure.value, one.format, note=note))
    return found
