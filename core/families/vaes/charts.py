"""Charts of the VAE chapter: KL per latent dimension, the latent map, the gap at the kept epochs. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import BLUE, GREEN, NEUTRAL, ORANGE, PINK, PURPLE, SKY, VALIDATION, VERMILION

# Ten hues that read on white and on black; the map writes each class's number as well, so no colour stands alone.
CLASSES = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, "#A39600", PURPLE, NEUTRAL, "#9C6B30")
WRITTEN = "#808890"  # grey that reads on white and on black
HEIGHT = 300
BARS_HEIGHT = 400
MAP_HEIGHT = 420


def kl_bars(frame: pd.DataFrame, *, ceiling: float, threshold: float) -> alt.LayerChart:
    """Return bars of the KL of each latent dimension, the largest first, unused ones grey with their value.

    Parameters
    ----------
    frame
        Columns ``dimension, kl_nats, used``.
    ceiling
        End of the value axis in nats: the same for all epochs, so that they compare.
    threshold
        KL below which a dimension counts as unused, for the tooltip.
    """
    data = checked(frame, ("dimension", "kl_nats", "used"), "bars of the KL")
    data["says"] = [
        f"{v:.3f}, " + ("used" if u else f"unused: below {threshold:g}")
        for v, u in zip(data["kl_nats"], data["used"], strict=True)
    ]
    order = [str(one) for one in data["dimension"]]
    base = alt.Chart(data).encode(
        x=alt.X("dimension:N", sort=order, title="latent dimension", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        tooltip=[alt.Tooltip("dimension:N", title="Dimension"), alt.Tooltip("says:N", title="KL (nats)")],
    )
    y = alt.Y("kl_nats:Q", title="KL (nats)", scale=alt.Scale(domain=[0, ceiling]))
    bars = base.mark_bar().encode(
        y=y, color=alt.when("datum.used").then(alt.value(VALIDATION)).otherwise(alt.value(NEUTRAL))
    )
    marks = base.transform_filter("!datum.used").mark_text(text="unused", angle=270, align="left", dx=4, color=WRITTEN)
    return alt.LayerChart(layer=[bars, marks.encode(y=y)]).properties(height=BARS_HEIGHT)


def latent_map(frame: pd.DataFrame, classes: Sequence[str]) -> alt.Chart:
    """Return the latent map: every image is the number of its class, at its place.

    Parameters
    ----------
    frame
        Columns ``index, label, x, y`` (within the unit circle), ``loss`` (nats) and ``neighbour`` (a label).
    classes
        Class names by label.
    """
    data = checked(frame, ("index", "label", "x", "y", "loss", "neighbour"), "latent map")
    data["is"] = [classes[label] for label in data["label"]]
    data["beside"] = [classes[label] for label in data["neighbour"]]
    plain = alt.Axis(labels=False, ticks=False, title=None, domain=False, grid=False)
    named = [str(label) for label in range(len(classes))] != list(classes)
    legend = alt.Legend(orient="right", title=None, labelExpr=_names(classes)) if named else None
    place = alt.Scale(domain=[-1.02, 1.02])
    chart: alt.Chart = (
        alt.Chart(data)
        .mark_text(fontSize=10, fontWeight=600)
        .encode(
            x=alt.X("x:Q", scale=place, axis=plain),
            y=alt.Y("y:Q", scale=place, axis=plain),
            text="label:N",
            color=alt.Color(
                "label:N", scale=alt.Scale(domain=list(range(len(classes))), range=list(CLASSES)), legend=legend
            ),
            tooltip=[
                alt.Tooltip("is:N", title="Is"),
                alt.Tooltip("index:Q", title="Validation image", format=","),
                alt.Tooltip("loss:Q", title="Negative ELBO (nats)", format=".1f"),
                alt.Tooltip("beside:N", title="Nearest in z"),
            ],
        )
        .properties(height=MAP_HEIGHT)
    )
    return chart


def _names(classes: Sequence[str]) -> str:
    """Return the Vega expression that turns a legend's number into number and name."""
    listed = ", ".join(f"'{number} {name}'" for number, name in enumerate(classes))
    return f"[{listed}][toNumber(datum.label)]"


def gap_bars(frame: pd.DataFrame, *, epoch: int) -> alt.LayerChart:
    """Return the gap between validation and training loss at the kept epochs, with its standard error.

    Parameters
    ----------
    frame
        Columns ``epoch, gap_nats, error_nats, equal_shares_nats``; the last, drawn as a diamond, counts every class
        alike.
    epoch
        Kept epoch that is shown: its bar is in colour.
    """
    data = checked(frame, ("epoch", "gap_nats", "error_nats", "equal_shares_nats"), "chart of the gap")
    data["low"], data["high"] = data["gap_nats"] - data["error_nats"], data["gap_nats"] + data["error_nats"]
    data["written"] = [f"{gap:+.2f}".replace("-", "−") for gap in data["gap_nats"]]
    title = "validation − training loss (nats)"
    base = alt.Chart(data).encode(
        x=alt.X("epoch:O", title="kept epoch", axis=alt.Axis(labelAngle=0)),
        tooltip=[
            alt.Tooltip("epoch:O", title="Epoch"),
            alt.Tooltip("gap_nats:Q", title="Gap (nats)", format="+.3f"),
            alt.Tooltip("error_nats:Q", title="± (nats)", format=".3f"),
            alt.Tooltip("equal_shares_nats:Q", title="Classes alike (nats)", format="+.3f"),
        ],
    )
    colour = alt.when(f"datum.epoch == {int(epoch)}").then(alt.value(VALIDATION)).otherwise(alt.value(NEUTRAL))
    bars = base.mark_bar(size=34).encode(y=alt.Y("gap_nats:Q", title=title), color=colour)
    whiskers = base.mark_rule(strokeWidth=1.5, color=WRITTEN).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    alike = base.mark_point(shape="diamond", filled=True, size=70, opacity=1, color=BLUE).encode(
        y=alt.Y("equal_shares_nats:Q", title=title)
    )
    written = base.mark_text(dy=-9, fontSize=12, color=WRITTEN).encode(y=alt.Y("high:Q", title=title), text="written:N")
    return alt.LayerChart(layer=[bars, whiskers, alike, written]).properties(height=HEIGHT)
