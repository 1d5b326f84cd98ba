"""Charts made once: building and checking an Altair chart costs tens of milliseconds, so its result is kept.

The key is the chart function with the content of its table and settings: nothing can be shown that is out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from streamlit.elements import vega_charts

from core.story import Chart
from pages._ui.show.unchecked import unchecked


@dataclass(frozen=True)
class Drawn:
    """A chart ready to be sent: its Vega-Lite specification, data included. Shared by all visitors: never change it."""

    spec: Mapping[str, Any]


def drawn(function: Callable[..., alt.TopLevelMixin], frame: pd.DataFrame, *args: Any, **settings: Any) -> Drawn:
    """Return ``function(frame, *args, **settings)`` ready to be sent, made anew only when something differs."""
    name = f"{function.__module__}.{function.__qualname__}"
    return _made(name, frame, list(args), settings, function)


def drawn_as(chart: Chart) -> Drawn:
    """Return a story's chart ready to be sent: found again by its key, or by its table where it has none."""
    if chart.key is None:
        return drawn(chart.make, chart.frame, **chart.settings)
    return _keyed(f"{chart.make.__module__}.{chart.make.__qualname__}", chart.key, chart)


@st.cache_resource(max_entries=256, show_spinner=False)
def _keyed(name: str, key: Hashable, _chart: Chart) -> Drawn:
    return _ready(_chart.draw())


@st.cache_resource(max_entries=256, show_spinner=False)
def _made(
    name: str,
    frame: pd.DataFrame,
    args: list[Any],
    settings: dict[str, Any],
    _function: Callable[..., alt.TopLevelMixin],
) -> Drawn:
    return _ready(_function(frame, *args, **settings))


def _ready(chart: alt.TopLevelMixin) -> Drawn:
    # What st.altair_chart itself does first: tables become Arrow bytes instead of long JSON.
    convert = getattr(vega_charts, "_convert_altair_to_vega_lite_spec", None)
    ready = unchecked(chart)
    return Drawn(ready.to_dict() if convert is None else convert(ready))
