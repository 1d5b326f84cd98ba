"""Digit classifier: how well a small network reads digits, and which ones it still gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.curves import curves
from core.data import DATASETS
from core.families.classifiers import charts, findings
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.classifier import parts
from pages._ui.classifier.parts import ANY, images_of
from pages._ui.show.gallery import gallery

RATES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
SHOWN = 24  # images in the gallery at once
CONFUSION = "confusion"  # keys of the chart; the number behind it changes when a click has been taken up
CLICKS = "_confusion_clicks"


def take_click(key: str, classes: Sequence[str]) -> None:
    """Copy a click on the matrix into the two controls beside it, which are what the page reads."""
    cells = st.session_state[key]["selection"].get(charts.CELL) or []
    if cells:
        ui.set_controls({"is": classes[int(cells[0]["label"])], "as": classes[int(cells[0]["predicted"])]})
        st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1  # a fresh chart can take the same click again


def chosen_rows(tables: dict[str, pd.DataFrame], label: int | None, guess: int | None) -> tuple[pd.DataFrame, str]:
    """Return the images of a cell, row, column or the whole matrix, and what they are in words."""
    if label is not None and label == guess:
        rows = tables["doubtful"]
        return rows[rows["label"] == label], "rightly read, the least confident first"
    rows = tables["mistakes"]
    rows = rows if label is None else rows[rows["label"] == label]
    rows = rows if guess is None else rows[rows["predicted"] == guess]
    return rows, "misread, the most confident first"


def sureness(confidence: float) -> str:
    """Return a confidence in whole per cent; no model is 100 % sure."""
    return ">99%" if confidence > 0.995 else f"{confidence:.0%}"


def show_images(run: Run, rows: pd.DataFrame, split: str, classes: Sequence[str]) -> None:
    """Show the images of some rows with what they are and what they were read as; as a table without the images."""
    if rows.empty:
        ui.nothing_yet("No image was read that way", "Click a coloured cell of the matrix, or choose any and any.")
        return
    source = images_of(run, split)
    if source is None:
        listed = rows.assign(
            label=[classes[i] for i in rows["label"]], predicted=[classes[i] for i in rows["predicted"]]
        )
        ui.table(
            listed[["index", "label", "predicted", "confidence"]],
            key="mistakes",
            alt="Misread images: place in the split, class, what it was read as, confidence",
            column_config={
                "index": st.column_config.NumberColumn("Image", help=f"Place in the {split} split"),
                "label": "Is",
                "predicted": "Read as",
                "confidence": st.column_config.NumberColumn("Confidence", format="percent"),
            },
            height=320,
        )
        return
    few = rows.head(SHOWN)
    texts = [
        f"{classes[row.label]} read as {classes[row.predicted]}, {sureness(row.confidence)}"
        if row.label != row.predicted
        else f"{classes[row.label]}, {sureness(row.confidence)}"
        for row in few.itertuples()
    ]
    gallery(source.images[few["index"]], texts, key="mistakes", alt=f"{len(few)} {split} images", scale=3)


def show_main(run: Run, tables: dict[str, pd.DataFrame], epoch: int, split: str, ceiling: int) -> None:
    """Show the confusion matrix and, beside it, the images of the cell that the reader points at."""
    classes = DATASETS[run.config.data].classes
    left, right = ui.columns(2)
    with right:
        with st.container(horizontal=True, gap="small"):
            true = ui.control(st.selectbox, "Is", [ANY, *classes], key="is")
            read = ui.control(st.selectbox, "Read as", [ANY, *classes], key="as")
        label, guess = (None if name == ANY else classes.index(name) for name in (true, read))
        rows, words = chosen_rows(tables, label, guess)
        shown = f"{min(SHOWN, len(rows))} of {len(rows):,}" if len(rows) > SHOWN else f"{len(rows):,}"
        with ui.panel(f"{shown} {split} images {words}"):
            show_images(run, rows, split, classes)
    matrix = findings.matrix(tables[CONFUSION], len(classes))
    errors = int(matrix.sum() - np.trace(matrix))
    with (
        left,
        ui.panel(
            f"{errors:,} of {matrix.sum():,} {split} images misread after epoch {epoch}",
            help="Rows are what an image is, columns what it was read as. Colours count errors; what lies on the "
            "diagonal is right. Click a cell to see its images.",
        ),
    ):
        key = f"{CONFUSION}-{st.session_state.get(CLICKS, 0)}"
        ui.chart(
            ui.drawn(charts.confusion, tables[CONFUSION], classes, ceiling=ceiling, chosen=(label, guess)),
            tables[CONFUSION],
            key=key,
            alt=f"Confusion matrix: {errors} errors. " + findings.confusion_sentence(matrix, classes),
            on_select=lambda: take_click(key, classes),
            selection_mode=charts.CELL,
        )


def show_curves(ch: ui.Chapter, epoch: int) -> None:
    """Show loss and accuracy over epochs, training and validation, with further runs if the reader wants them."""
    with ch.controls:
        log = ui.control(st.toggle, "Logarithmic loss", value=True, key="log")
        smoothing = ui.control(st.slider, "Smoothing of curves", 0.0, 0.9, step=0.1, value=0.0, key="smoothing")
        others = ui.overlay_runs(ch)
    runs = [ch.run, *others]

    left, right = ui.columns(2)
    with (
        left,
        ui.guarded(),
        ui.panel("Mean loss of an image", help="Cross-entropy; lower is better. A guess at random costs 2.303 nats."),
    ):
        loss = ui.overlaid(runs, {"train_loss": "training", "validation_loss": "validation"})
        ui.chart(
            ui.drawn(curves, loss, title_y="loss (nats)", log=log, smoothing=smoothing, epoch=epoch, zero=not log),
            loss,
            key="loss",
            alt="Loss over epochs, training and validation",
        )
    with (
        right,
        ui.guarded(),
        ui.panel(
            "Share of images read correctly",
            help="Training accuracy is the running one: a mean over the epoch, of images shifted at random and weights "
            "that still move. Validation is measured after the epoch with averaged weights, so it may lie above.",
        ),
    ):
        accuracy = ui.overlaid(runs, {"train_accuracy": "training", "validation_accuracy": "validation"})
        accuracy["value"] *= 100
        ui.chart(
            ui.drawn(curves, accuracy, title_y="accuracy (%)", smoothing=smoothing, epoch=epoch),
            accuracy,
            key="accuracy",
            alt="Accuracy over epochs, training and validation",
        )


def show_details(run: Run, tables: dict[str, pd.DataFrame], epoch: int, split: str) -> None:
    """Show precision, recall and F1 per class, and the calibration curve."""
    classes = DATASETS[run.config.data].classes
    left, right = ui.columns(2)
    with (
        left,
        ui.panel(
            f"Each class after epoch {epoch}, {split} images",
            help="Precision: how much of what is read as the class belongs to it. Recall: how much of the class is "
            "read as it. F1: their harmonic mean. Click a heading to sort.",
        ),
    ):
        named = tables["per_class"].assign(label=[classes[i] for i in tables["per_class"]["label"]])
        named = named[["label", *RATES, "support"]].rename(columns={"label": "Class", **RATES, "support": "Images"})
        ui.table(
            named.style.format(dict.fromkeys(RATES.values(), "{:.2%}") | {"Images": "{:,}"}, na_rep="–"),
            key="per-class",
            alt="Precision, recall and F1 of each class",
            height="content",
        )
    bins = findings.with_intervals(tables["calibration"])
    row = tables["measures"].iloc[0]
    with (
        right,
        ui.panel(
            f"Confidence against accuracy after epoch {epoch}: error {row['ece']:.2%}",
            help="On the dashed line confidence is earned; below it the model is too sure of itself. Bars are 95 % "
            "intervals: few images are read with little confidence, so those bins say little.",
        ),
    ):
        ui.chart(
            ui.drawn(charts.calibration, bins),
            bins,
            key="calibration",
            alt=f"Calibration curve. {findings.calibration_sentence(row)}",
        )


def show_verdict(run: Run, tables: dict[str, pd.DataFrame], measures: pd.DataFrame, epoch: int, split: str) -> None:
    """Say what the figures mean, computed from them."""
    classes = DATASETS[run.config.data].classes
    confusion = findings.matrix(tables[CONFUSION], len(classes))
    ui.verdict(
        [
            findings.accuracy_sentence(confusion, split),
            findings.confusion_sentence(confusion, classes),
            findings.overfitting_sentence(measures[measures["epoch"] == epoch], ui.history(run), epoch),
            findings.calibration_sentence(tables["measures"].iloc[0]),
        ]
    )


def at(frame: pd.DataFrame, epoch: int, split: str) -> pd.DataFrame:
    """Return the rows of one epoch and split."""
    return frame[(frame["epoch"] == epoch) & (frame["split"] == split)].reset_index(drop=True)


IMAGES = {"epoch", "split", "index", "label", "predicted", "confidence"}
TABLES = {
    "measures": {"epoch", "split", "n", "loss", "accuracy", "confidence", "ece"},
    CONFUSION: {"epoch", "split", "label", "predicted", "count"},
    "per_class": {"epoch", "split", "label", *RATES, "support"},
    "calibration": {"epoch", "split", "count", "confidence", "accuracy"},
    "mistakes": IMAGES,
    "doubtful": IMAGES,
}


def read_tables(run: Run) -> dict[str, pd.DataFrame]:
    """Return the run's tables; none where there was no evaluation, or where one does not read, which is then said."""
    if not set(TABLES) <= set(run.tables()):
        if run.epochs_done:
            ui.not_evaluated(run, "The confusion matrix, the classes and the verdict")
        return {}
    with ui.guarded():
        tables = {name: ui.run_table(run, name) for name in TABLES}
        for name, frame in tables.items():
            missing = TABLES[name] - set(frame.columns)
            if missing or (frame.empty and name == "measures"):
                raise run.broken(f"tables/{name}.csv", f"it lacks {', '.join(sorted(missing)) or 'rows'}")
        return tables
    return {}


def main() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("classifier")
    run = ch.run
    parts.show_headline(run)
    every = read_tables(run)
    if not every:
        epoch = ui.epoch_scrubber(ch)
        if epoch:
            show_curves(ch, epoch)
        else:
            ui.no_epoch(run)
        return
    epochs = sorted(int(epoch) for epoch in every["measures"]["epoch"].unique())
    splits = [name for name in ("test", "validation") if name in set(every["measures"]["split"])]
    with ch.controls:
        split = ui.control(
            st.segmented_control, "Held-out images", splits, default=splits[0], key="split", required=True
        )
    place = st.container()
    epoch = ui.epoch_scrubber(ch, epochs)
    tables = {name: at(frame, epoch, split) for name, frame in every.items()}
    wrong = every[CONFUSION].query("label != predicted and split == @split")
    with place:
        show_main(run, tables, epoch, split, int(wrong["count"].max()) if len(wrong) else 1)
    show_curves(ch, epoch)
    show_details(run, tables, epoch, split)
    show_verdict(run, tables, every["measures"], epoch, split)
    parts.show_references(run)
    with ui.probe("Ask the model", key="probe") as opened, ui.guarded():
        if opened:
            parts.show_probe(run, tables, epochs, epoch, split)
    parts.show_how(ch, tables, epochs)


with ui.guarded():
    main()
