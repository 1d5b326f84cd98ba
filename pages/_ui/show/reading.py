"""Reading of runs for the page: bounded caches keyed by the run's digest, so a changed run is read anew."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from core.charts.curves import long_form
from core.runs.naming import names
from core.runs.store import Run
from core.story import Pictured


@st.cache_data(max_entries=64, show_spinner=False)
def _history(digest: str, _run: Run) -> pd.DataFrame:
    return _run.whole_history()


@st.cache_data(max_entries=128, show_spinner=False)
def _table(digest: str, name: str, _run: Run) -> pd.DataFrame:
    return _run.table(name)


@st.cache_resource(max_entries=256, show_spinner=False)
def _sample(digest: str, epoch: int, kind: str, _run: Pictured) -> bytes:
    file = io.BytesIO()
    _run.sample(epoch, kind).save(file, format="PNG")
    return file.getvalue()


def history(run: Run) -> pd.DataFrame:
    """Return the history of a run's whole epochs (a copy of the cached one)."""
    return _history(run.digest, run)


def overlaid(
    runs: Sequence[Run],
    series: dict[str, str],
    along: str = "epoch",
    derive: Callable[[Run, pd.DataFrame], pd.DataFrame] | None = None,
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
        table = history(run) if derive is None else derive(run, history(run))
        parts.append(long_form(table, series, name, along=along, diverged=end))
    return pd.concat(parts, ignore_index=True)


def table(run: Run, name: str) -> pd.DataFrame:
    """Return one of a run's evaluation tables (a copy of the cached one)."""
    return _table(run.digest, name, run)


def sample(run: Pictured, epoch: int, kind: str = "samples") -> Image.Image:
    """Return the composed grid of one epoch."""
    return Image.open(io.BytesIO(_sample(run.digest, epoch, kind, run)))


@st.cache_resource(max_entries=4, show_spinner="Loading the weights")
def _model(digest: str, epoch: int | None, builder: str, _run: Run, _build: Callable[..., Mapping[str, Any]]) -> Any:
    from core.training.weights import load_weights

    modules = _build(_run.config)
    load_weights(_run, modules, epoch)
    for module in modules.values():
        module.requires_grad_(False)
    return modules


def cached_model(run: Run, epoch: int | None, builder: Callable[..., Mapping[str, Any]]) -> Any:
    """Return a run's modules in eval mode, frozen; shared by all visitors, so never train them.

    Parameters
    ----------
    run
        The run whose weights are loaded.
    epoch
        Epoch of a snapshot, or None for the final weights. An epoch without a snapshot takes the final weights
        if it is the last one and raises RunError otherwise; see :func:`snapshot_for`.
    builder
        Called with the run's config; returns modules by name.
    """
    name = f"{builder.__module__}.{builder.__qualname__}"
    if epoch is not None and epoch not in run.snapshots() and epoch == run.epochs_done:
        epoch = None
    return _model(run.digest, epoch, name, run, builder)


def snapshot_for(run: Run, epoch: int) -> int | None:
    """Return the snapshot epoch nearest to ``epoch``, or None (final weights) where none was kept."""
    kept = run.snapshots()
    return min(kept, key=lambda one: (abs(one - epoch), one)) if kept else None
