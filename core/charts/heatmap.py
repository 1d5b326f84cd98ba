"""Heat maps: one fixed colour scale over time, magnitudes in viridis, decisions in purple - grey - green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import altair as alt
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import DIVERGING, SEQUENTIAL


def heatmap(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    value: str,
    title_x: str,
    title_y: str,
    title_value: str,
    domain: tuple[float, float] | None = None,
    diverging: bool = False,
    order_x: Sequence[str] | None = None,
    order_y: Sequence[str] | None = None,
    format: str = ",.3~g",
    numbers: bool = False,
    height: int = 360,
) -> alt.LayerChart:
    """Return a table of numbers as colours.

    Parameters
    ----------
    frame
        One row per cell.
    x, y, value
        Column names of the cell's column, row and number.
    title_x, title_y, title_value
        Titles, the value's with its unit.
    domain
        Lowest and highest value of the scale. Give the same for all epochs, or colours do not compare.
    diverging
        Whether the scale is centred (purple, grey, green) rather than viridis.
    order_x, order_y
        Names in the order of the axes; by default as in the table.
    format
        d3 format of the numbers.
    numbers
        Whether to write the numbers into the cells.
    height
        Height in pixels.
    """
    data = checked(frame, list(dict.fromkeys([x, y, value])), "heat map")
    columns = list(order_x) if order_x is not None else list(dict.fromkeys(data[x].astype(str)))
    rows = list(order_y) if order_y is not None else list(dict.fromkeys(data[y].astype(str)))
    data[x], data[y] = data[x].astype(str), data[y].astype(str)
    limits = alt.Undefined if domain is None else list(domain)
    if diverging:
        scale = alt.Scale(range=list(DIVERGING), clamp=True, domain=limits)
    else:
        scale = alt.Scale(scheme=SEQUENTIAL, clamp=True, domain=limits)
    base = alt.Chart(data).encode(
        x=alt.X(f"{x}:N", title=title_x, sort=columns, axis=alt.Axis(labelAngle=0)),
        y=alt.Y(f"{y}:N", title=title_y, sort=rows),
        tooltip=[
            alt.Tooltip(f"{y}:N", title=title_y),
            alt.Tooltip(f"{x}:N", title=title_x),
            alt.Tooltip(f"{value}:Q", title=title_value, format=format),
        ],
    )
    legend = alt.Legend(orient="right", gradientLength=min(200, height // 2))
    layers = [base.mark_rect().encode(color=alt.Color(f"{value}:Q", title=title_value, scale=scale, legend=legend))]
    if numbers:
        low, high = domain or (float(data[value].min()), float(data[value].max()))
        middle = low + 0.6 * (high - low)
        # viridis is dark below its middle; on the diverging scale black is read everywhere
        bright = alt.datum[value] > (low - 1 if diverging else middle)
        ink = alt.condition(bright, alt.value("black"), alt.value("white"))
        layers.append(base.mark_text(fontSize=11).encode(text=alt.Text(f"{value}:Q", format=format), color=ink))
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=height))
