"""Curves over epochs: raw line faint under the smoothed one, a cursor at the chosen epoch, runs overlaid.

Lines, axes and smoothing are made of the finite values; the others are marked at the edge of the chart.
"""

from __future__ import annotations

from typing import cast

import altair as alt
import numpy as np
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import NEUTRAL, VERMILION, series_colours

HEIGHT = 280
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 4])
LEGEND_LINE = 24  # pixels that each line of the runs' legend adds
LABEL_LIMIT = 180  # pixels of a run's name in a legend


def long_form(
    history: pd.DataFrame,
    series: dict[str, str],
    run: str | None = None,
    *,
    along: str = "epoch",
    diverged: int | None = None,
) -> pd.DataFrame:
    """Return a history's columns as rows ``epoch, series, value[, run]``.

    Absent columns are left out, and so are values that were not measured; infinite ones are kept.

    Parameters
    ----------
    history
        A run's history.
    series
        Column name to series name, for example ``{"train_loss": "training", "validation_loss": "validation"}``.
    run
        Name of the run, for overlays.
    along
        Column of the horizontal axis, ``epoch`` or ``step``.
    diverged
        Where on that axis the training diverged: every series ends there, with a value that is not a number.
    """
    there = [name for name in series if name in history.columns]
    frame = history[[along, *there]].melt(along, var_name="series", value_name="value")
    frame = frame.dropna(subset=["value"])
    if diverged is not None:
        ends = pd.DataFrame({along: diverged, "series": there, "value": np.nan})
        frame = pd.concat([frame, ends], ignore_index=True) if len(frame) else ends
    frame["series"] = frame["series"].map(series)
    if run is not None:
        frame["run"] = run
    return frame.reset_index(drop=True)


def smooth(values: pd.Series, smoothing: float) -> pd.Series:
    """Return a centred moving average whose weights fall as ``smoothing ** distance``; 0 leaves the values.

    Centred, because the usual one-sided average of a falling curve lags behind it and shows it too high. Values that
    are not finite weigh nothing and stay as they are.
    """
    if smoothing <= 0:
        return values
    reach = len(values) - 1
    kernel = smoothing ** np.abs(np.arange(-reach, reach + 1))
    numbers = values.to_numpy(float)
    finite = np.isfinite(numbers)
    scale = np.abs(numbers[finite]).max(initial=1.0)  # sums of values near the largest float would overflow
    shares = np.where(finite, numbers, 0.0) / scale
    total = np.convolve(shares, kernel, mode="full")[reach : 2 * reach + 1]
    weight = np.convolve(finite.astype(float), kernel, mode="full")[reach : 2 * reach + 1]
    means = np.divide(total, weight, out=shares.copy(), where=finite).clip(shares.min(), shares.max())
    return pd.Series(np.where(finite, means * scale, numbers), index=values.index)


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
        Columns ``epoch, series, value`` and optionally ``run`` (drawn as dash patterns, the first one solid).
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
    every = checked(frame, ["epoch", "series", "value", *(["run"] if several else [])], "curves")
    data, odd = parted(every)
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
    colour = _colour(every, compact)
    base = alt.Chart(data).encode(x=x, color=colour)
    if several:
        base = base.encode(strokeDash=dashes(every))
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
    layers += edge_marks(odd, x, colour, height)
    names = every["run"].nunique() if several else 0
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height + names * LEGEND_LINE))


def parted(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows whose ``value`` is finite, and the others: what lines are drawn of, and what is marked."""
    finite = np.isfinite(frame["value"].to_numpy(float))
    return frame[finite].copy(), frame[~finite].copy()


def dashes(frame: pd.DataFrame) -> alt.StrokeDash:
    """Return the dash pattern of each ``run`` in the order of the table, the first one solid; one legend line each."""
    names = list(dict.fromkeys(frame["run"]))
    patterns = [DASHES[index % len(DASHES)] for index in range(len(names))]
    # below the chart: beside the series' legend above it, long names would be cut off
    legend = alt.Legend(orient="bottom", columns=1, symbolType="stroke", symbolSize=400, labelLimit=LABEL_LIMIT)
    return alt.StrokeDash("run:N", title=None, scale=alt.Scale(domain=names, range=patterns), legend=legend)


def edge_marks(odd: pd.DataFrame, x: alt.X, colour: alt.Color, height: int) -> list[alt.Chart]:
    """Return the marks of what no axis holds: infinite values at the edge, and a line where a training diverged.

    Parameters
    ----------
    odd
        Rows of the long form whose value is not finite; one that is not a number says where the training diverged.
    x, colour
        Encodings of the chart.
    height
        Height of the chart in pixels.
    """
    marks: list[alt.Chart] = []
    where = [alt.Tooltip(f"{name}:N") for name in ("run", "series", "epoch", "step") if name in odd.columns]
    for value, shape, place in ((np.inf, "triangle-up", 6), (-np.inf, "triangle-down", height - 6)):
        rows = odd[odd["value"] == value].drop(columns="value")
        if len(rows):
            said = alt.Chart(rows.assign(value="infinite" if value > 0 else "minus infinite")).encode(
                x=x, y=alt.value(place), color=colour, tooltip=[*where, alt.Tooltip("value:N")]
            )
            marks.append(said.mark_point(shape=shape, filled=True, size=90, opacity=1))
    ends = odd[odd["value"].isna()].drop(columns=["value", "series"]).drop_duplicates()
    if len(ends):
        said = alt.Chart(ends.assign(what="diverged")).encode(
            x=x, tooltip=[one for one in where if one.shorthand != "series:N"]
        )
        marks.append(said.mark_rule(color=VERMILION, strokeWidth=1.5))
        text = said.mark_text(color=VERMILION, align="right", dx=-5, fontSize=12, fontWeight="bold")
        marks.append(text.encode(y=alt.value(10), text="what:N"))
    return marks


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
