"""Reading of runs for the page: bounded caches keyed by the run's digest, so a changed run is read anew."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

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
