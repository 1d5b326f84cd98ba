"""Charts of the classifier chapter: confusion matrix, calibration, class probabilities. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from core.charts.frames import checked
from core.charts.palette import BLUE, NEUTRAL, VALIDATION, VERMILION

CELL = "cell"  # name of the click selection; its fields are CELL_FIELDS
CELL_FIELDS = ("label", "predicted")
CHOSEN = VERMILION  # seen on every viridis colour and on grey, in both themes
MATRIX_HEIGHT = 520
READABLE = "#808890"  # grey text that reads on white and on the dark theme's ground


def confusion(
    frame: pd.DataFrame, classes: Sequence[str], *, ceiling: int, chosen: tuple[int | None, int | None] = (None, None)
) -> alt.LayerChart:
    """Return a confusion matrix on which the errors have the colours, for the diagonal would drown them.

    Parameters
    ----------
    frame
        Columns ``label, predicted`` (class indices) and ``count``; absent pairs count 0.
    classes
        Class names by index.
    ceiling
        Number of errors with the brightest colour: the same for all epochs of a run, so that they compare.
    chosen
        True and predicted class whose cells are outlined; None stands for all.
    """
    cells = _all_cells(checked(frame, ("label", "predicted", "count"), "confusion matrix"), classes)
    label, predicted = chosen
    cells["chosen"] = chosen != (None, None)
    cells["chosen"] &= (cells["label"] == label) if label is not None else cells["label"] != predicted
    cells["chosen"] &= (cells["predicted"] == predicted) if predicted is not None else cells["predicted"] != label
    sort = list(classes)
    long_names = max(map(len, classes)) > 2
    x = alt.X("read_as:N", sort=sort, title="Read as", axis=alt.Axis(labelAngle=-40 if long_names else 0))
    y = alt.Y("is:N", sort=sort, title="Is")
    colour = alt.Color(
        "count:Q",
        title="Errors",
        scale=alt.Scale(scheme="viridis", type="sqrt", domain=[0, max(1, ceiling)], clamp=True),
        legend=None,  # the cells bear their numbers
    )
    click = alt.selection_point(name=CELL, fields=list(CELL_FIELDS), on="click", toggle=False, clear=False)
    tooltip = [
        alt.Tooltip("is:N", title="Is"),
        alt.Tooltip("read_as:N", title="Read as"),
        alt.Tooltip("count:Q", title="Images", format=","),
        alt.Tooltip("share:Q", title="Share of its class", format=".2%"),
    ]
    right = "datum.label == datum.predicted && datum.count > 0"
    field = (
        alt.Chart(cells)
        .mark_rect(cursor="pointer", stroke="#80808050", strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=alt.when(right).then(alt.value(NEUTRAL)).otherwise(alt.value("transparent")),
            tooltip=tooltip,
        )
        .add_params(click)
    )
    wrong = cells[(cells["label"] != cells["predicted"]) & (cells["count"] > 0)]
    errors = alt.Chart(wrong).mark_rect(cursor="pointer").encode(x=x, y=y, color=colour, tooltip=tooltip)
    outline = alt.Chart(cells[cells["chosen"]]).mark_rect(fill=None, stroke=CHOSEN, strokeWidth=2.5).encode(x=x, y=y)
    # Bright viridis needs dark digits; everything else here is dark enough for light ones.
    bright = f"datum.label != datum.predicted && sqrt(datum.count / {max(1, ceiling)}) > 0.6"
    numbers = (
        alt.Chart(cells[cells["count"] > 0])
        .mark_text(fontSize=12, cursor="pointer")
        .encode(
            x=x,
            y=y,
            tooltip=tooltip,
            text=alt.Text("count:Q", format=","),
            color=alt.when(bright).then(alt.value("#000000")).otherwise(alt.value("#FFFFFF")),
        )
        .properties()
    )
    return _layers(field, errors, numbers, outline).properties(height=MATRIX_HEIGHT)


def _all_cells(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row per pair of classes, with names and the share of the true class."""
    every = pd.MultiIndex.from_product([range(len(classes))] * 2, names=["label", "predicted"])
    cells = frame.set_index(["label", "predicted"])["count"].reindex(every, fill_value=0).reset_index()
    cells["is"] = [classes[label] for label in cells["label"]]
    cells["read_as"] = [classes[guess] for guess in cells["predicted"]]
    cells["share"] = cells["count"] / cells.groupby("label")["count"].transform("sum").clip(lower=1)
    return cells


def calibration(frame: pd.DataFrame) -> alt.LayerChart:
    """Return a reliability diagram: how often it is right against how sure it is, with 95 % intervals.

    Parameters
    ----------
    frame
        One row per bin that is not empty: ``confidence, accuracy`` (means), ``count``, and the ends of the accuracy's
        interval ``accuracy_low, accuracy_high``.
    """
    frame = checked(frame, ("confidence", "accuracy", "count", "accuracy_low", "accuracy_high"), "calibration curve")
    percent = alt.Axis(format="%", tickCount=6)
    x = alt.X("confidence:Q", title="Mean confidence of the bin", scale=alt.Scale(domain=[0, 1]), axis=percent)
    y = alt.Y("accuracy:Q", title="Share that is right", scale=alt.Scale(domain=[0, 1]), axis=percent)
    ideal = (
        alt.Chart(pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]}))
        .mark_line(color=NEUTRAL, strokeDash=[4, 4], strokeWidth=1.5)
        .encode(x=x, y=y)
    )
    base = alt.Chart(frame).encode(x=x)
    whiskers = base.mark_rule(color=VALIDATION, strokeWidth=1.5).encode(
        y=alt.Y("accuracy_low:Q", title="Share that is right"), y2="accuracy_high:Q"
    )
    points = base.mark_circle(color=VALIDATION, opacity=1).encode(
        y=y,
        size=alt.Size("count:Q", title="Images", scale=alt.Scale(type="sqrt", range=[30, 420]), legend=None),
        tooltip=[
            alt.Tooltip("confidence:Q", title="Mean confidence", format=".2%"),
            alt.Tooltip("accuracy:Q", title="Right", format=".2%"),
            alt.Tooltip("accuracy_low:Q", title="95 % interval from", format=".2%"),
            alt.Tooltip("accuracy_high:Q", title="to", format=".2%"),
            alt.Tooltip("count:Q", title="Images", format=","),
        ],
    )
    return _layers(ideal, whiskers, points).properties(height=300)


def probabilities(frame: pd.DataFrame, classes: Sequence[str]) -> alt.LayerChart:
    """Return bars of a model's probability of each class, the largest one marked.

    Parameters
    ----------
    frame
        Columns ``label`` (class index) and ``probability``, one row per class.
    classes
        Class names by index.
    """
    bars = checked(frame, ("label", "probability"), "bars of probabilities")
    bars = bars.assign(name=[classes[label] for label in frame["label"]])
    bars["largest"] = bars["probability"] == bars["probability"].max()
    y = alt.Y("name:N", sort=list(classes), title=None)
    # The scale ends past 1 to leave room for the number behind a full bar.
    x = alt.X(
        "probability:Q",
        title="Probability",
        scale=alt.Scale(domain=[0, 1.18]),
        axis=alt.Axis(format="%", values=[0, 0.5, 1]),
    )
    base = alt.Chart(bars).encode(x=x, y=y)
    strip = base.mark_bar().encode(
        color=alt.when("datum.largest").then(alt.value(BLUE)).otherwise(alt.value(NEUTRAL)),
        tooltip=[alt.Tooltip("name:N", title="Class"), alt.Tooltip("probability:Q", title="Probability", format=".4%")],
    )
    numbers = base.mark_text(align="left", dx=4, color=READABLE).encode(text=alt.Text("probability:Q", format=".1%"))
    return _layers(strip, numbers).properties(height=280)


def answer_over_epochs(frame: pd.DataFrame, classes: Sequence[str], *, epoch: int) -> alt.LayerChart:
    """Return a heat map of the probability of each class after each epoch, the epoch shown outlined.

    Parameters
    ----------
    frame
        Columns ``epoch, label`` (class index) and ``probability``.
    classes
        Class names by index.
    epoch
        Epoch of the page's scrubber.
    """
    cells = checked(frame, ("epoch", "label", "probability"), "map of probabilities")
    cells = cells.assign(name=[classes[label] for label in frame["label"]])
    x = alt.X("epoch:O", title="Epoch", axis=alt.Axis(labelAngle=0))
    heat = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=x,
            y=alt.Y("name:N", sort=list(classes), title=None),
            color=alt.Color(
                "probability:Q",
                title="Probability",
                scale=alt.Scale(scheme="viridis", domain=[0, 1]),
                legend=alt.Legend(format="%", orient="right", gradientLength=160),
            ),
            tooltip=[
                alt.Tooltip("epoch:O", title="Epoch"),
                alt.Tooltip("name:N", title="Class"),
                alt.Tooltip("probability:Q", title="Probability", format=".3%"),
            ],
        )
    )
    here = alt.Chart(pd.DataFrame({"epoch": [epoch]})).mark_rect(fill=None, stroke=CHOSEN, strokeWidth=2.5).encode(x=x)
    return _layers(heat, here).properties(height=280)


def _layers(*charts: alt.Chart) -> alt.LayerChart:
    return alt.LayerChart(layer=list(charts))
