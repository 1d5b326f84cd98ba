"""Curves over epochs: raw line faint under the smoothed one, a cursor at the chosen epoch, runs overlaid."""

from __future__ import annotations

import altair as alt
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
    """Return an exponential moving average, bias-corrected; 0 leaves the values, towards 1 smooths more."""
    return values.ewm(alpha=1 - smoothing).mean() if smoothing > 0 else values


def curves(
    frame: pd.DataFrame,
    *,
    title_y: str,
    log: bool = False,
    smoothing: float = 0.0,
    epoch: int | None = None,
    zero: bool = False,
    height: int = HEIGHT,
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
    """
    several = "run" in frame.columns
    data = checked(frame, ["epoch", "series", "value", *(["run"] if several else [])], "curves")
    if log:
        data = data[data["value"] > 0]
    keys = ["series", "run"] if several else ["series"]
    data["smoothed"] = data.groupby(keys)["value"].transform(lambda one: smooth(one, smoothing))
    names = list(dict.fromkeys(data["series"]))
    scale = alt.Scale(type="log") if log else alt.Scale(zero=zero)
    colour = alt.Color(
        "series:N",
        title=None,
        scale=alt.Scale(domain=names, range=series_colours(names)),
        legend=alt.Legend(orient="top", direction="horizontal") if len(names) > 1 else None,
    )
    encoding: dict[str, object] = {"x": alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)), "color": colour}
    if several:
        encoding["strokeDash"] = alt.StrokeDash("run:N", title=None, legend=alt.Legend(orient="top"))
    tooltip = [
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("series:N"),
        alt.Tooltip("value:Q", title=title_y, format=",.6~g"),
        *([alt.Tooltip("run:N")] if several else []),
    ]
    base = alt.Chart(data).encode(**encoding)
    layers = []
    if smoothing > 0:
        layers.append(base.mark_line(opacity=0.3, strokeWidth=1).encode(y=alt.Y("value:Q", title=title_y, scale=scale)))
    line = base.mark_line(strokeWidth=2, point=data["epoch"].nunique() == 1)
    layers.append(line.encode(y=alt.Y("smoothed:Q", title=title_y, scale=scale)))
    layers.append(
        base.mark_point(size=60, opacity=0).encode(y=alt.Y("smoothed:Q", title=title_y, scale=scale), tooltip=tooltip)
    )
    if epoch is not None:
        at = alt.Chart(pd.DataFrame({"epoch": [epoch]})).encode(x="epoch:Q")
        layers.append(at.mark_rule(color=NEUTRAL, strokeDash=[4, 3]))
        here = data[data["epoch"] == epoch]
        if len(here):
            layers.append(
                alt.Chart(here)
                .mark_point(filled=True, size=55, opacity=1)
                .encode(x="epoch:Q", y=alt.Y("smoothed:Q", scale=scale), color=colour, tooltip=tooltip)
            )
    return alt.layer(*layers).properties(height=height)
