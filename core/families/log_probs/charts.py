"""Charts of log-probabilities: per digit, with the number of samples, split into terms. All values in nats."""

from __future__ import annotations

from typing import Any, cast

import altair as alt
import numpy as np
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import BLUE, GREEN, NEUTRAL, ORANGE, SKY, VERMILION

HEIGHT = 300
RIDGE = 1.7  # height of the highest ridge, in rows: ridges may overlap the row above a little
TERMS = {"reconstruction": BLUE, "KL": ORANGE, "slack": NEUTRAL}
GAPS = {"approximation gap": SKY, "amortisation gap": VERMILION}

# Viridis at nine equal steps, for cells of tables: dark below the middle, so the text's colour changes there.
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")


def heat(values: pd.Series) -> list[str]:
    """Return a CSS style for each number: viridis from the lowest to the highest, with text that reads on it.

    Not a number, or nothing to compare it with, has no colour.
    """
    numbers = values.to_numpy(dtype=float)
    finite = numbers[np.isfinite(numbers)]
    if len(finite) < 2 or np.ptp(finite) == 0:
        return [""] * len(numbers)
    shares = (numbers - finite.min()) / np.ptp(finite)
    styles = []
    for share in shares:
        if not np.isfinite(share):
            styles.append("")
            continue
        text = "black" if share > 0.6 else "white"
        styles.append(f"background-color: {VIRIDIS[round(share * (len(VIRIDIS) - 1))]}; color: {text}")
    return styles


def ridges(frame: pd.DataFrame, *, chosen: int | None = None) -> alt.LayerChart:
    """Return the distribution of log p(x) of each digit as a ridge of its own, the chosen digit in colour.

    Parameters
    ----------
    frame
        Columns ``label, low, high, images, share``: the histogram of each digit over common bins.
    chosen
        Digit that is stressed.
    """
    data = checked(frame, ("label", "low", "high", "images", "share"), "ridges")
    data["middle"] = (data["low"] + data["high"]) / 2
    data["base"] = data["label"].astype(float)
    data["top"] = data["base"] - RIDGE * data["share"] / max(float(data["share"].max()), 1e-12)
    labels = sorted(data["label"].unique())
    scale = alt.Scale(domain=[max(labels) + 0.3, min(labels) - RIDGE], nice=False, zero=False)
    axis = alt.Axis(values=[int(one) for one in labels], format="d", grid=False, ticks=False, domain=False)
    x = alt.X("middle:Q", title="log p(x), nats", scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("top:Q", title="digit", scale=scale, axis=axis)
    colour: Any = alt.value(BLUE)
    if chosen is not None:
        colour = alt.condition(alt.datum["label"] == chosen, alt.value(ORANGE), alt.value(BLUE))
    tooltip = [
        alt.Tooltip("label:N", title="digit"),
        alt.Tooltip("low:Q", title="from", format=",.1f"),
        alt.Tooltip("high:Q", title="to", format=",.1f"),
        alt.Tooltip("images:Q", format=","),
    ]
    layers = []
    for label in labels:
        base = alt.Chart(data[data["label"] == label])
        layers.append(
            base.mark_area(opacity=0.65, interpolate="monotone", line=False).encode(
                x=x, y=y, y2="base:Q", color=colour, tooltip=tooltip
            )
        )
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=420))


def tightening(frame: pd.DataFrame) -> alt.LayerChart:
    """Return how far the bound with k samples falls short of the one with most samples, on a logarithmic axis.

    Parameters
    ----------
    frame
        Columns ``series``, ``samples``, ``missing`` and ``missing_error`` (nats), one row per size and series.
    """
    data = checked(frame, ("series", "samples", "missing", "missing_error"), "tightening curve")
    data["low"], data["high"] = data["missing"] - data["missing_error"], data["missing"] + data["missing_error"]
    names = list(dict.fromkeys(data["series"]))
    scale = alt.Scale(domain=names, range=[BLUE, ORANGE, GREEN, VERMILION][: len(names)])
    legend = alt.Legend(orient="top", title=None) if len(names) > 1 else None
    base = alt.Chart(data).encode(
        x=alt.X("samples:Q", title="samples of z per image", scale=alt.Scale(type="log", nice=False)),
        color=alt.Color("series:N", scale=scale, legend=legend),
        tooltip=[
            alt.Tooltip("series:N"),
            alt.Tooltip("samples:Q", format=","),
            alt.Tooltip("missing:Q", title="short by (nats)", format=".3f"),
            alt.Tooltip("missing_error:Q", title="standard error", format=".3f"),
        ],
    )
    y = alt.Y("missing:Q", title="nats below the bound with most samples")
    layers = [
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_rule().encode(y="low:Q", y2="high:Q"),
        base.mark_point(filled=True, size=50, opacity=1).encode(y=y),
    ]
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=HEIGHT))


def contributions(frame: pd.DataFrame, *, chosen: int | None = None) -> alt.LayerChart:
    """Return, per digit, what each term adds to its advantage over the other digits, stacked around 0.

    Parameters
    ----------
    frame
        Columns ``label, log_prob, reconstruction, kl, slack``: differences to the mean of the other digits; the last
        three add up to the first.
    chosen
        Digit that is stressed.
    """
    wide = checked(frame, ("label", "log_prob", "reconstruction", "kl", "slack"), "contributions")
    data = wide.rename(columns={"kl": "KL"}).melt(
        ["label", "log_prob"], list(TERMS), var_name="term", value_name="nats"
    )
    opacity: Any = alt.value(0.9)
    if chosen is not None:
        opacity = alt.condition(alt.datum["label"] == chosen, alt.value(1.0), alt.value(0.45))
    x = alt.X("label:N", title="digit", axis=alt.Axis(labelAngle=0))
    colour = alt.Color(
        "term:N",
        scale=alt.Scale(domain=list(TERMS), range=list(TERMS.values())),
        legend=alt.Legend(orient="top", title=None),
    )
    bars = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("nats:Q", title="nats above the other digits", stack="zero"),
            color=colour,
            opacity=opacity,
            tooltip=[alt.Tooltip("label:N", title="digit"), "term:N", alt.Tooltip("nats:Q", format="+.2f")],
        )
    )
    whole = (
        alt.Chart(wide)
        .mark_tick(thickness=3, size=22)
        .encode(
            x=x,
            y="log_prob:Q",
            color=alt.value(NEUTRAL),
            tooltip=[
                alt.Tooltip("label:N", title="digit"),
                alt.Tooltip("log_prob:Q", title="in all (nats)", format="+.2f"),
            ],
        )
    )
    return cast(alt.LayerChart, alt.layer(bars, whole).properties(height=HEIGHT))


def against(frame: pd.DataFrame, *, x: str, title_x: str, chosen: int | None = None) -> alt.LayerChart:
    """Return images as points, log p(x) against one measure; the chosen digit in colour over the others.

    Parameters
    ----------
    frame
        Columns ``label, log_prob`` and ``x``; at most a few thousand rows.
    x, title_x
        Column and axis title of the measure.
    chosen
        Digit that is stressed.
    """
    data = checked(frame, ("label", "log_prob", x), "scatter of images")
    data["who"] = np.where(data["label"] == chosen, f"digit {chosen}", "other digits") if chosen is not None else "all"
    names = [f"digit {chosen}", "other digits"] if chosen is not None else ["all"]
    colours = [ORANGE, BLUE] if chosen is not None else [BLUE]
    encoded = [
        alt.Chart(data[data["who"] == name])
        .mark_circle(size=14, opacity=0.45, clip=True)
        .encode(
            x=alt.X(f"{x}:Q", title=title_x, scale=alt.Scale(zero=False)),
            y=alt.Y("log_prob:Q", title="log p(x), nats", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "who:N",
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(orient="top", title=None, symbolOpacity=1) if len(names) > 1 else None,
            ),
            tooltip=[
                alt.Tooltip("label:N", title="digit"),
                alt.Tooltip(f"{x}:Q", title=title_x, format=".3~g"),
                alt.Tooltip("log_prob:Q", title="log p(x)", format=".2f"),
            ],
        )
        for name in reversed(names)
    ]
    return cast(alt.LayerChart, alt.layer(*encoded).properties(height=HEIGHT))


def estimators(frame: pd.DataFrame) -> alt.LayerChart:
    """Return the difference of two estimators per image, with the error bar of the difference.

    Parameters
    ----------
    frame
        Columns ``index, label, gap, log_prob, standard_error, ais_log_prob, ais_standard_error``.
    """
    names = ("index", "label", "gap", "log_prob", "standard_error", "ais_log_prob", "ais_standard_error")
    data = checked(frame, names, "comparison of estimators").sort_values(["label", "index"])
    error = np.hypot(data["standard_error"], data["ais_standard_error"])
    data["low"], data["high"], data["place"] = data["gap"] - error, data["gap"] + error, range(len(data))
    base = alt.Chart(data).encode(
        x=alt.X("place:O", title="image, by digit", axis=alt.Axis(labels=False, ticks=False)),
        tooltip=[
            alt.Tooltip("label:N", title="digit"),
            alt.Tooltip("log_prob:Q", title="importance sampling", format=".2f"),
            alt.Tooltip("ais_log_prob:Q", title="annealed", format=".2f"),
            alt.Tooltip("gap:Q", title="annealed minus importance", format="+.2f"),
        ],
    )
    colour = alt.value(BLUE)
    zero = alt.Chart(pd.DataFrame({"gap": [0.0]})).mark_rule(color=NEUTRAL, strokeDash=[4, 3]).encode(y="gap:Q")
    layers = [
        zero,
        base.mark_rule().encode(y="low:Q", y2="high:Q", color=colour),
        base.mark_point(filled=True, size=45, opacity=1).encode(
            y=alt.Y("gap:Q", title="annealed minus importance sampling, nats"), color=colour
        ),
    ]
    return cast(alt.LayerChart, alt.layer(*layers).properties(height=HEIGHT))


def running(frame: pd.DataFrame, *, log_prob: float, error: float) -> alt.LayerChart:
    """Return one image's estimate as samples come in, with the band of its final standard error.

    Parameters
    ----------
    frame
        Columns ``samples, log_prob``.
    log_prob, error
        The final estimate and its standard error.
    """
    data = checked(frame, ("samples", "log_prob"), "running estimate")
    ends = pd.DataFrame({"from": [float(data["samples"].min())], "to": [float(data["samples"].max())]})
    ends["low"], ends["high"] = log_prob - error, log_prob + error
    band = alt.Chart(ends).mark_rect(opacity=0.25, color=ORANGE).encode(x="from:Q", x2="to:Q", y="low:Q", y2="high:Q")
    line = (
        alt.Chart(data)
        .mark_line(color=BLUE, strokeWidth=2)
        .encode(
            x=alt.X("samples:Q", title="samples of z", scale=alt.Scale(type="log", nice=False)),
            y=alt.Y("log_prob:Q", title="log p(x), nats", scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("samples:Q", format=","), alt.Tooltip("log_prob:Q", format=".3f")],
        )
    )
    return cast(alt.LayerChart, alt.layer(band, line).properties(height=220))


def gaps(frame: pd.DataFrame) -> alt.LayerChart:
    """Return the slack of the bound per set of images, split in two, each part with its standard error.

    Parameters
    ----------
    frame
        Columns ``name, approximation, amortisation, approximation_error, amortisation_error`` (nats).
    """
    names = ("name", "approximation", "amortisation", "approximation_error", "amortisation_error")
    wide = checked(frame, names, "bars of the gaps")
    order = wide["name"].tolist()
    parts = []
    for part, start in (("approximation", 0.0), ("amortisation", wide["approximation"])):
        rows = pd.DataFrame({"name": wide["name"], "part": f"{part} gap", "nats": wide[part]})
        parts.append(rows.assign(start=start, end=start + wide[part], error=wide[f"{part}_error"]))
    data = pd.concat(parts, ignore_index=True)
    data["low"], data["high"] = data["end"] - data["error"], data["end"] + data["error"]
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=260))
    colour = alt.Color(
        "part:N",
        scale=alt.Scale(domain=list(GAPS), range=list(GAPS.values())),
        legend=alt.Legend(orient="top", title=None),
    )
    tooltip: list[Any] = ["name:N", "part:N", alt.Tooltip("nats:Q", format=".3f"), alt.Tooltip("error:Q", format=".3f")]
    base = alt.Chart(data).encode(y=y, tooltip=tooltip)
    bars = base.mark_bar(height=22).encode(x=alt.X("start:Q", title="nats"), x2="end:Q", color=colour)
    rules = base.mark_rule(strokeWidth=2, color=NEUTRAL).encode(x="low:Q", x2="high:Q")
    return cast(alt.LayerChart, alt.layer(bars, rules).properties(height=60 + 46 * len(order)))


def course(frame: pd.DataFrame, *, log_prob: float) -> alt.LayerChart:
    """Return one image's bound while its q is refined, below the line of its log p(x).

    Parameters
    ----------
    frame
        Columns ``samples`` (the step) and ``log_prob`` (the bound, noisy), in nats.
    log_prob
        The image's log p(x).
    """
    data = checked(frame, ("samples", "log_prob"), "course of the bound").rename(
        columns={"samples": "step", "log_prob": "elbo"}
    )
    line = (
        alt.Chart(data)
        .mark_line(color=BLUE, strokeWidth=1.5)
        .encode(
            x=alt.X("step:Q", title="step of refining"),
            y=alt.Y("elbo:Q", title="nats", scale=alt.Scale(zero=False)),
            tooltip=[alt.Tooltip("step:Q"), alt.Tooltip("elbo:Q", title="ELBO (noisy)", format=".2f")],
        )
    )
    top = pd.DataFrame({"log_prob": [log_prob], "says": ["log p(x)"]})
    rule = alt.Chart(top).mark_rule(color=ORANGE, strokeDash=[4, 3], strokeWidth=2).encode(y="log_prob:Q")
    words = (
        alt.Chart(top)
        .mark_text(align="left", dx=4, dy=-7, color=NEUTRAL)
        .encode(x=alt.value(0), y="log_prob:Q", text="says:N")
    )
    return cast(alt.LayerChart, alt.layer(line, rule, words).properties(height=220))
