"""Curves over epochs: raw line faint under the smoothed one, a cursor at the chosen epoch, runs overlaid."""

from __future__ import annotations

from typing import cast

import altair as alt
import numpy as np
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import NEUTRAL, series_colours

HEIGHT = 280


def long_form(history: pd.DataFrame, series: dict[str, str], run: str | None = None) -> pd.DataFrame:
    """Return a history's columns as rows ``epoch, series, value[, run]``; absent columns are left out.

    Parameters
    ----------
    history
        A run's history.
    series
        Column name to series name, for example ``{"train_loss": "training", "validation_loss": "validation"}``.
    run
        Name of the run, for overlays.
    """
    there = [name for name in series if name in history.columns]
    frame = history[["epoch", *there]].melt("epoch", var_name="series", value_name="value")
    frame["series"] = frame["series"].map(series)
    if run is not None:
        frame["run"] = run
    return frame.dropna(subset=["value"]).reset_index(drop=True)


def smooth(values: pd.Series, smoothing: float) -> pd.Series:
    """Return a centred moving average whose weights fall as ``smoothing ** distance``; 0 leaves the values.

    Centred, because the usual one-sided average of a falling curve lags behind it and shows it too high.
    """
    if smoothing <= 0:
        return values
    reach = len(values) - 1
    kernel = smoothing ** np.abs(np.arange(-reach, reach + 1))
    numbers = values.to_numpy(float)
    total = np.convolve(numbers, kernel, mode="full")[reach : 2 * reach + 1]
    weight = np.convolve(np.ones_like(numbers), kernel, mode="full")[reach : 2 * reach + 1]
    return pd.Series(total / weight, index=values.index)


def curves(
    frame: pd.DataFrame,
    *,
    title_y: str,
    log: bool = False,
    smoothing: float = 0.0,
    epoch: int | None = None,
    zero: bool = False,
    height: int = HEIGHT,
    compact: bool = False,
) -> alt.LayerChart:
    """Return curves over epochs.

    Parameters
    ----------
    frame
        Columns ``epoch, series, value`` and optionally ``run`` (drawn as dash patterns).
    title_y
        Title of the value axis, with its unit.
    log
        Logarithmic value axis; values that are not positive are left out.
    smoothing
        0 (raw) to below 1; the raw line stays visible, faint.
    epoch
        Where to put the cursor.
    zero
        Whether the value axis starts at 0.
    height
        Height in pixels.
    compact
        For a sidebar: small legend, no axis titles.
    """
    several = "run" in frame.columns
    data = checked(frame, ["epoch", "series", "value", *(["run"] if several else [])], "curves")
    if log:
        data = data[data["value"] > 0]
    data["smoothed"] = data.groupby(["series", "run"] if several else ["series"])["value"].transform(smooth, smoothing)
    x = alt.X(
        "epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False, zero=False)
    )
    y_scale = alt.Scale(type="log") if log else alt.Scale(zero=zero)
    y_title = None if compact else title_y
    y_axis = alt.Axis(tickCount=3 if compact else 6)
    y = alt.Y("smoothed:Q", title=y_title, scale=y_scale, axis=y_axis)
    base = alt.Chart(data).encode(x=x, color=_colour(data, compact))
    if several:
        base = base.encode(
            strokeDash=alt.StrokeDash("run:N", title=None, legend=alt.Legend(orient="top", symbolType="stroke"))
        )
    tooltip = _tooltip(title_y, several)
    layers: list[alt.Chart] = []
    if smoothing > 0:
        layers.append(
            base.mark_line(opacity=0.3, strokeWidth=1).encode(y=alt.Y("value:Q", title=title_y, scale=y_scale))
        )
    layers.append(base.mark_line(strokeWidth=2, point=data["epoch"].nunique() == 1).encode(y=y))
    # invisible points, large enough to be hit by a finger, carry the tooltips
    layers.append(base.mark_point(size=80, opacity=0).encode(y=y, tooltip=tooltip))
    if epoch is not None and len(data):
        layers.append(
            alt.Chart(pd.DataFrame({"epoch": [epoch]})).mark_rule(color=NEUTRAL, strokeDash=[4, 3]).encode(x=x)
        )
        layers.append(
            base.transform_filter(alt.datum.epoch == epoch)
            .mark_point(filled=True, size=55, opacity=1)
            .encode(y=y, tooltip=tooltip)
        )
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def _colour(data: pd.DataFrame, compact: bool) -> alt.Color:
    names = list(dict.fromkeys(data["series"]))
    legend = alt.Legend(
        orient="top",
        direction="horizontal",
        symbolOpacity=1,
        symbolType="stroke",
        symbolStrokeWidth=3,
        symbolSize=50 if compact else 100,
        labelFontSize=11 if compact else 13,
        columnPadding=6 if compact else 12,
        offset=2 if compact else 10,
    )
    scale = alt.Scale(domain=names, range=series_colours(names))
    return alt.Color("series:N", title=None, scale=scale, legend=legend if len(names) > 1 else None)


def _tooltip(title_y: str, several: bool) -> list[alt.Tooltip]:
    run = [alt.Tooltip("run:N")] if several else []
    return [
        *run,
        alt.Tooltip("series:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("value:Q", title=title_y, format=",.6~g"),
    ]
