"""Histograms and bars: one idea each, the count axis starting at 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import BLUE, NEUTRAL, series_colours


def binned(frame: pd.DataFrame, bins: int = 40) -> pd.DataFrame:
    """Return counts per bin and series: columns ``series, low, high, count``; all series share the bins.

    Parameters
    ----------
    frame
        Columns ``value`` and optionally ``series``. Values that are not finite are left out.
    bins
        Number of bins over the range of all values.
    """
    data = checked(frame, ["value", *(["series"] if "series" in frame.columns else [])], "histogram")
    data = data[np.isfinite(data["value"])]
    if "series" not in data.columns:
        data["series"] = ""
    if data.empty:
        return pd.DataFrame({"series": [], "low": [], "high": [], "count": []})
    edges = np.histogram_bin_edges(data["value"], bins=bins)
    parts = []
    for name, part in data.groupby("series", sort=False):
        counts, _ = np.histogram(part["value"], bins=edges)
        parts.append(pd.DataFrame({"series": name, "low": edges[:-1], "high": edges[1:], "count": counts}))
    return pd.concat(parts, ignore_index=True)


def histogram(
    frame: pd.DataFrame,
    *,
    title_x: str,
    title_y: str = "images",
    bins: int = 40,
    mark: float | None = None,
    height: int = 260,
) -> alt.LayerChart:
    """Return a histogram, one translucent layer per series.

    Parameters
    ----------
    frame
        Columns ``value`` and optionally ``series``.
    title_x, title_y
        Axis titles; the value's with its unit, the count's saying what is counted.
    bins
        Number of bins.
    mark
        Value to mark with a dashed line.
    height
        Height in pixels.
    """
    counts = binned(frame, bins)
    names = list(dict.fromkeys(counts["series"]))
    colour: Any = alt.value(BLUE)
    if len(names) > 1:
        scale = alt.Scale(domain=names, range=series_colours(names))
        colour = alt.Color("series:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
    bars = (
        alt.Chart(counts)
        .mark_bar(opacity=0.55 if len(names) > 1 else 0.9, binSpacing=0)
        .encode(
            x=alt.X("low:Q", title=title_x, bin="binned", scale=alt.Scale(zero=False, nice=False)),
            x2="high:Q",
            y=alt.Y("count:Q", title=title_y, stack=None),
            color=colour,
            tooltip=[
                *([alt.Tooltip("series:N")] if len(names) > 1 else []),
                alt.Tooltip("low:Q", title="from", format=",.4~g"),
                alt.Tooltip("high:Q", title="to", format=",.4~g"),
                alt.Tooltip("count:Q", title=title_y, format=","),
            ],
        )
    )
    layers = [bars]
    if mark is not None:
        line = alt.Chart(pd.DataFrame({"low": [mark]}))
        layers.append(line.mark_rule(color=NEUTRAL, strokeDash=[4, 3], strokeWidth=2).encode(x="low:Q"))
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def bars(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    title_x: str,
    title_y: str,
    format: str = ",.3~g",
    order: Sequence[str] | None = None,
    chosen: str | None = None,
    height: int = 260,
) -> alt.Chart:
    """Return bars from 0, one per row, the chosen one in full colour and the others paler.

    Parameters
    ----------
    frame
        One row per bar, with the columns ``x`` (a name) and ``y`` (a length).
    x, y
        Column names.
    title_x, title_y
        Axis titles, the length's with its unit.
    format
        d3 format of the tooltip's value.
    order
        Names in the order of the axis; by default as in the table.
    chosen
        Name of the bar to stress.
    height
        Height in pixels.
    """
    data = checked(frame, [x, y], "bar chart")
    data[x] = data[x].astype(str)
    names = list(order) if order is not None else list(dict.fromkeys(data[x]))
    opacity: Any = alt.value(0.9)
    if chosen is not None:
        opacity = alt.condition(alt.datum[x] == str(chosen), alt.value(1.0), alt.value(0.45))
    chart = alt.Chart(data).mark_bar(color=BLUE)
    encoded = chart.encode(
        x=alt.X(f"{x}:N", title=title_x, sort=names, axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{y}:Q", title=title_y),
        opacity=opacity,
        tooltip=[alt.Tooltip(f"{x}:N", title=title_x), alt.Tooltip(f"{y}:Q", title=title_y, format=format)],
    )
    return cast(alt.Chart, encoded.properties(height=height))
