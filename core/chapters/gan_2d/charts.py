"""Charts of the 2-D GAN: measures over training steps, and how the modes share the samples."""

from __future__ import annotations

from typing import cast

import altair as alt
import pandas as pd

from core.charts.curves import dashes, edge_marks, parted
from core.charts.frames import checked
from core.charts.palette import GENERATED, NEUTRAL, REAL, series_colours

HEIGHT = 280


def over_steps(
    frame: pd.DataFrame,
    *,
    title_y: str,
    step: int | None = None,
    log: bool = False,
    domain: tuple[float, float] | None = None,
    level: float | None = None,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Return measures over training steps.

    Parameters
    ----------
    frame
        Columns ``step, series, value`` and optionally ``run`` (drawn as dash patterns, the first one solid).
    title_y
        Title of the value axis, with its unit.
    step
        Where to put the cursor.
    log
        Logarithmic value axis; values that are not positive are left out.
    domain
        Fixed ends of the value axis.
    level
        A level to stand beside, drawn as a dashed line: a floor, or the value of a perfect generator.
    height
        Height in pixels.
    """
    several = "run" in frame.columns
    every = checked(frame, ["step", "series", "value", *(["run"] if several else [])], "over_steps")
    data, odd = parted(every)
    if log:
        data = data[data["value"] > 0]
    names = list(dict.fromkeys(every["series"]))
    scale = alt.Scale(type="log") if log else alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False)
    x = alt.X("step:Q", title="training step", axis=alt.Axis(format="~s", tickCount=6), scale=alt.Scale(nice=False))
    y = alt.Y("value:Q", title=title_y, scale=scale)
    legend = alt.Legend(orient="top", symbolType="stroke", symbolStrokeWidth=3) if len(names) > 1 else None
    colour = alt.Color(
        "series:N", title=None, scale=alt.Scale(domain=names, range=series_colours(names)), legend=legend
    )
    base = alt.Chart(data).encode(x=x, y=y, color=colour)
    if several:
        base = base.encode(strokeDash=dashes(every))
    tooltip = [alt.Tooltip("series:N"), alt.Tooltip("step:Q", format=","), alt.Tooltip("value:Q", format=",.5~g")]
    layers: list[alt.Chart] = [
        base.mark_line(strokeWidth=2),
        base.mark_point(size=80, opacity=0).encode(tooltip=[alt.Tooltip("run:N"), *tooltip] if several else tooltip),
    ]
    if level is not None:
        rule = pd.DataFrame({"value": [level]})
        layers.append(alt.Chart(rule).mark_rule(color=NEUTRAL, strokeDash=[2, 3]).encode(y=y))
    if step is not None and len(data):
        layers.append(alt.Chart(pd.DataFrame({"step": [step]})).mark_rule(color=NEUTRAL, strokeDash=[5, 3]).encode(x=x))
    layers += edge_marks(odd, x, colour, height)
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))


def mode_shares(frame: pd.DataFrame, *, height: int = HEIGHT) -> alt.LayerChart:
    """Return each mode's share of good samples as a bar beside its true share.

    Parameters
    ----------
    frame
        Columns ``mode, share, true, low, high``: mean share over seeds with its extremes, and the true share.
    height
        Height in pixels.
    """
    data = checked(frame, ["mode", "share", "true", "low", "high"], "mode_shares")
    x = alt.X("mode:O", title="mode", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="share of samples", axis=alt.Axis(format="~%"), scale=alt.Scale(zero=True))
    tooltip = [
        alt.Tooltip("mode:O"),
        *(alt.Tooltip(f"{name}:Q", format=".2%") for name in ("share", "low", "high", "true")),
    ]
    base = alt.Chart(data).encode(x=x, tooltip=tooltip)
    bars = base.mark_bar(color=GENERATED, opacity=0.85).encode(y=y)
    spread = base.mark_rule(color=NEUTRAL, strokeWidth=1.5).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    due = base.mark_tick(color=REAL, thickness=3).encode(y=alt.Y("true:Q", title=None))
    return cast(alt.LayerChart, alt.layer(bars, spread, due).properties(height=height))
