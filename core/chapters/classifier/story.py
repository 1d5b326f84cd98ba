"""What the classifier chapter says of a run: how well it reads, which classes it confuses, if it can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.charts.curves import curves
from core.data import DATASETS
from core.families.classifiers import charts, findings
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.layers import architecture
from core.runs.store import Run
from core.story import Chart, Column, Figure, How, Panel, Reference, Section, Story, Table, Try, Verdict
from core.telling import SoFar, overlaid, so_far
from core.words import number

ANY = "any"  # every class, in the controls of the matrix
RATES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
TABLES = ("measures", "confusion", "per_class", "calibration", "mistakes", "doubtful")

# Figures of the reports and of published work, with the protocol that they followed.
REPORT = {"accuracy": 0.9769, "loss": 0.0765}
PUBLISHED = {"mnist": 0.9931, "fashion-mnist": 0.939}
ONE_EPOCH, DENSENET = 0.9904, 0.954
FAST = "[train_mnist_fast](https://github.com/tuomaso/train_mnist_fast)"
FASHION = "[Fashion-MNIST benchmark](https://github.com/zalandoresearch/fashion-mnist#benchmark)"
SOURCES = {
    "mnist": "convolutional network of 468,000 weights",
    "fashion-mnist": f"2 convolutions, 2 dense layers, flips: {FASHION}",
}
EPOCH_1 = "accuracy_epoch_1"
SO_FAR = (
    SoFar("validation_accuracy", "Validation accuracy", "{:.2%}", high=True),
    SoFar("train_accuracy", "Training accuracy", "{:.2%}", high=True),
    SoFar("validation_loss", "Validation loss", "{:.4f} nats"),
    SoFar("train_loss", "Training loss", "{:.4f} nats"),
)
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class View:
    """What the reader looks at: an epoch, a held-out split, and a true and a predicted class (None: any)."""

    epoch: int
    split: str
    label: int | None = None
    predicted: int | None = None


@dataclass(frozen=True)
class Curves:
    """How curves are drawn, and which runs beside the one that is shown."""

    log: bool = True
    smoothing: float = 0.0
    others: Sequence[Run] = ()


def held_out_split(run: Run) -> str:
    """Return the split of the headline figures: test where the data set has one."""
    return DATASETS[run.config.data].held_out_split


def classes_of(run: Run) -> tuple[str, ...]:
    """Return the names of the run's classes, by label."""
    return DATASETS[run.config.data].classes


def evaluated(run: Run) -> bool:
    """Whether the run has its tables."""
    return set(TABLES) <= set(run.tables())


def read(run: Run) -> dict[str, pd.DataFrame]:
    """Return the run's tables; none where it has not been evaluated. RunError if one does not read."""
    return {name: run.table(name) for name in TABLES} if evaluated(run) else {}


def kept_epochs(tables: Tables) -> list[int]:
    """Return the epochs that were evaluated, rising."""
    return sorted(int(epoch) for epoch in tables["measures"]["epoch"].unique())


def at(tables: Tables, epoch: int, split: str) -> dict[str, pd.DataFrame]:
    """Return the rows of one epoch and split of every table."""
    return {
        name: frame[(frame["epoch"] == epoch) & (frame["split"] == split)].reset_index(drop=True)
        for name, frame in tables.items()
    }


def mirror_note(run: Run) -> str:
    """Return how the accuracy was measured where each image was judged together with its mirror image."""
    alone = run.metrics.get(f"{held_out_split(run)}_accuracy_alone")
    if not run.config_as(ClassifierConfig).flip:
        return ""
    said = "mean of the answers to each image and its mirror image"
    return said if alone is None else f"{said}; the image alone: {number(alone, '{:.2%}')}"


def figures(run: Run) -> list[Figure]:
    """Return the run's final figures beside the report's and the published ones, or how far it is."""
    if not run.metrics:
        return so_far(run, SO_FAR)
    split, data, metrics = held_out_split(run), run.config.data, run.metrics
    digits = data != "fashion-mnist"
    held_out = f"held out: {DATASETS[data].sizes[split]:,} {split} images"
    note = " · ".join(part for part in (held_out, mirror_note(run)) if part)
    return [
        Figure(
            f"{split.capitalize()} accuracy",
            metrics.get(f"{split}_accuracy"),
            "{:.2%}",
            report=REPORT["accuracy"] if digits else None,
            published=PUBLISHED.get(data),
            note=note,
        ),
        Figure(
            "After one epoch",
            metrics.get(f"{split}_{EPOCH_1}"),
            "{:.2%}",
            published=ONE_EPOCH if data == "mnist" else None,
            note=f"{split} accuracy of the same run",
        ),
        Figure(
            f"{split.capitalize()} loss",
            metrics.get(f"{split}_loss"),
            "{:.4f} nats",
            report=f"{REPORT['loss']} (validation)" if digits else None,
            note="mean cross-entropy per image",
        ),
        Figure(
            "Calibration error",
            metrics.get(f"{split}_ece"),
            "{:.2%}",
            note=f"mean distance of confidence from accuracy, {split} images",
            help="Expected calibration error over 15 bins of equal width; 0 is perfect.",
        ),
    ]


def matrix(run: Run, tables: Tables, view: View) -> Panel:
    """Return the confusion matrix of a view, whose chosen cells are outlined."""
    now, classes = at(tables, view.epoch, view.split)["confusion"], classes_of(run)
    counts = findings.matrix(now, len(classes))
    errors = int(counts.sum() - np.trace(counts))
    wrong = tables["confusion"].query("label != predicted and split == @view.split")
    ceiling = int(wrong["count"].max()) if len(wrong) else 1
    chosen = (view.label, view.predicted)
    chart = Chart(
        charts.confusion,
        now,
        alt=f"Confusion matrix: {errors} errors. " + findings.confusion_sentence(counts, classes),
        settings={"classes": classes, "ceiling": ceiling, "chosen": chosen},
        key=(run.digest, view.epoch, view.split, chosen),
    )
    return Panel(
        "confusion",
        f"{errors:,} of {counts.sum():,} {view.split} images misread after epoch {view.epoch}",
        chart,
        "Rows are what an image is, columns what it was read as. Colours count errors; what lies on the diagonal is "
        "right. Click a cell to see its images.",
    )


def chosen_images(tables: Tables, view: View) -> tuple[pd.DataFrame, str]:
    """Return the images of a cell, row, column or the whole matrix, and what they are in words."""
    now = at(tables, view.epoch, view.split)
    if view.label is not None and view.label == view.predicted:
        rows = now["doubtful"]
        return rows[rows["label"] == view.label], "rightly read, the least confident first"
    rows = now["mistakes"]
    rows = rows if view.label is None else rows[rows["label"] == view.label]
    rows = rows if view.predicted is None else rows[rows["predicted"] == view.predicted]
    return rows, "misread, the most confident first"


def listed_images(rows: pd.DataFrame, run: Run, split: str) -> Table:
    """Return the images as a table, for where their pictures are not on this machine."""
    classes = classes_of(run)
    named = rows.assign(label=[classes[i] for i in rows["label"]], predicted=[classes[i] for i in rows["predicted"]])
    columns = {
        "index": Column("Image", ",", f"Place in the {split} split"),
        "label": Column("Is"),
        "predicted": Column("Read as"),
        "confidence": Column("Confidence", ".1%"),
    }
    return Table(named, columns, "Misread images: place in the split, class, what it was read as, confidence")


def course(run: Run, epoch: int, how: Curves) -> Section:
    """Return loss and accuracy over epochs, training and validation, of the run and those beside it."""
    runs = [run, *how.others]
    shares = overlaid(runs, {"train_accuracy": "training", "validation_accuracy": "validation"})
    digests = tuple(one.digest for one in runs)
    loss = Chart(
        curves,
        overlaid(runs, {"train_loss": "training", "validation_loss": "validation"}),
        alt="Loss over epochs, training and validation",
        settings={
            "title_y": "loss (nats)",
            "log": how.log,
            "smoothing": how.smoothing,
            "epoch": epoch,
            "zero": not how.log,
        },
        key=(digests, "loss", epoch, how.log, how.smoothing),
    )
    accuracy = Chart(
        curves,
        shares.assign(value=100 * shares["value"]),
        alt="Accuracy over epochs, training and validation",
        settings={"title_y": "accuracy (%)", "smoothing": how.smoothing, "epoch": epoch},
        key=(digests, "accuracy", epoch, how.smoothing),
    )
    alone = " Each image alone, without its mirror image." if mirror_note(run) else ""
    return Section(
        "Course of training",
        [
            Panel(
                "loss",
                "Mean loss of an image",
                loss,
                "Cross-entropy; lower is better. A guess at random costs 2.303 nats.",
            ),
            Panel(
                "accuracy",
                "Share of images read correctly",
                accuracy,
                "Training accuracy is the running one: a mean over the epoch, of images shifted at random and weights "
                "that still move. Validation is measured after the epoch with averaged weights, so it may lie above."
                + alone,
            ),
        ],
    )


def details(run: Run, tables: Tables, view: View) -> Section:
    """Return precision, recall and F1 per class, and the calibration curve."""
    now, classes = at(tables, view.epoch, view.split), classes_of(run)
    named = now["per_class"].assign(label=[classes[i] for i in now["per_class"]["label"]])
    columns = {"label": Column("Class")} | {name: Column(title, ".2%") for name, title in RATES.items()}
    bins, row = findings.with_intervals(now["calibration"]), now["measures"].iloc[0]
    calibration = Chart(
        charts.calibration,
        bins,
        alt=f"Calibration curve. {findings.calibration_sentence(row)}",
        key=(run.digest, view.epoch, view.split),
    )
    return Section(
        "Classes and confidence",
        [
            Panel(
                "per-class",
                f"Each class after epoch {view.epoch}, {view.split} images",
                Table(named, columns | {"support": Column("Images", ",")}, "Precision, recall and F1 of each class"),
                "Precision: how much of what is read as the class belongs to it. Recall: how much of the class is read "
                "as it. F1: their harmonic mean. Click a heading to sort.",
            ),
            Panel(
                "calibration",
                f"Confidence against accuracy after epoch {view.epoch}: error {row['ece']:.2%}",
                calibration,
                "On the dashed line confidence is earned; below it the model is too sure of itself. Bars are 95 % "
                "intervals: few images are read with little confidence, so those bins say little.",
            ),
        ],
    )


def verdict(run: Run, tables: Tables, view: View) -> Verdict:
    """Return what the figures mean, computed from them: how well, what it gets wrong; the rest on demand."""
    now, classes = at(tables, view.epoch, view.split), classes_of(run)
    confusion = findings.matrix(now["confusion"], len(classes))
    every = tables["measures"]
    return Verdict(
        [findings.accuracy_sentence(confusion, view.split), findings.confusion_sentence(confusion, classes)],
        [
            findings.overfitting_sentence(every[every["epoch"] == view.epoch], run.history(), view.epoch),
            findings.calibration_sentence(now["measures"].iloc[0]),
        ],
    )


def references(run: Run) -> list[Reference]:
    """Return the run's figures beside the report's and published ones, and how the protocols differ."""
    split, data, metrics = held_out_split(run), run.config.data, run.metrics
    digits = data != "fashion-mnist"

    def text(name: str, form: str = "{:.2%}") -> str:
        return number(metrics[name], form) if name in metrics else "–"

    title = split.capitalize()
    rows = [
        Reference(
            f"{title} accuracy",
            text(f"{split}_accuracy"),
            f"{REPORT['accuracy']:.2%}" if digits else "–",
            f"{PUBLISHED[data]:.2%}" if data in PUBLISHED else "–",
            SOURCES.get(data, ""),
            "the report measured on its validation images" if digits else "test images; submitted, not verified",
        )
    ]
    if f"{split}_accuracy_alone" in metrics:
        alone = text(f"{split}_accuracy_alone")
        rows.append(Reference(f"{title} accuracy, each image alone", alone, protocol="without its mirror image"))
    if data == "mnist":
        rows.append(
            Reference(
                "Test accuracy after one epoch",
                text(f"test_{EPOCH_1}"),
                published=f"{ONE_EPOCH:.2%}",
                source=FAST,
                protocol="60,000 training images",
            )
        )
    rows.append(
        Reference(f"{title} loss (nats)", text(f"{split}_loss", "{:.4f}"), f"{REPORT['loss']}" if digits else "–")
    )
    if data == "fashion-mnist":
        protocol = "768,000 weights, crops and flips"
        rows.append(
            Reference(
                "Test accuracy", text("test_accuracy"), "–", f"{DENSENET:.2%}", f"DenseNet-BC: {FASHION}", protocol
            )
        )
    return rows


def how_it_trains(config: ClassifierConfig) -> str:
    """Return what the network looks for and how this run trained it, from its config."""
    seen = [f"shifted by up to {config.shift} pixels"] if config.shift else []
    seen += ["mirrored half of the time"] if config.flip else []
    seen += [f"with a square of {config.erase} pixels blanked"] if config.erase else []
    return (
        "Five convolutions, each with normalisation and ReLU, look for strokes and their combinations; the maximum "
        "over all places asks whether a shape is there, not where. "
        + (f"Training shows every image {', '.join(seen)}. " if seen else "Training shows the images as they are. ")
        + f"What is tested is a running average of the weights (memory {config.ema} per step): it forgets the "
        "noise of single batches, which is why so much is learned in one epoch. Figures for [[held out]] images and "
        "their [[calibration]] are of images that training has not seen. "
        f"The same training from the command line: `{config.command('classifier')}`"
    )


def mistakes_to_see(run: Run, tables: Tables, split: str) -> list[Try]:
    """Return what to try with the matrix: its first epoch, and the pair of classes confused most in its last."""
    classes, epochs = classes_of(run), kept_epochs(tables)
    now = at(tables, epochs[-1], split)["confusion"]
    first, second, _ = findings.confused_pair(findings.matrix(now, len(classes)))
    pair = {"is": classes[first], "as": classes[second]}
    return [
        Try(f"See what it got wrong after epoch {epochs[0]}", {"epoch": epochs[0], "is": ANY, "as": ANY}),
        Try(f"Look at each {classes[first]} that was read as {classes[second]}", pair),
    ]


def how(run: Run, tables: Tables, view: View | None, runs: Sequence[Run] = ()) -> How:
    """Return formula, architecture, sources and what to try; without tables, nothing of the matrix."""
    config = run.config_as(ClassifierConfig)
    tries = mistakes_to_see(run, tables, view.split) if tables and view else []
    tries.append(Try("Draw a digit of your own and watch the answer form", {"probe": True, "from": "Draw"}))
    other = next((one for one in runs if one.config.data != config.data and one.status == "finished"), None)
    if other is not None:
        title = DATASETS[other.config.data].title
        tries.append(Try(f"Compare with {title}, where other classes are confused", {"run": other.id}))
    return How(
        formula=r"\begin{aligned} \mathcal{L} &= -\frac{1}{N}\sum_{n=1}^{N} \log p(y_n \mid x_n) \\ "
        r"p(y \mid x) &= \frac{e^{f_y(x)}}{\sum_k e^{f_k(x)}} \end{aligned}",
        text=how_it_trains(config),
        architecture=architecture(config.width),
        sources=[
            ("batch normalisation", "https://arxiv.org/abs/1502.03167"),
            ("AdamW", "https://arxiv.org/abs/1711.05101"),
            ("averaged weights", "https://doi.org/10.1137/0330046"),
            ("calibration", "https://arxiv.org/abs/1706.04599"),
        ],
        tries=tries,
    )


def tell(run: Run, view: View | None = None, drawing: Curves | None = None, runs: Sequence[Run] = ()) -> Story:
    """Return the whole story of a finished run; by default at its last epoch, on its held-out split."""
    tables = read(run)
    view = view or View(kept_epochs(tables)[-1], held_out_split(run))
    sections = [
        Section("What it gets wrong", [matrix(run, tables, view)]),
        course(run, view.epoch, drawing or Curves()),
        details(run, tables, view),
    ]
    return Story(figures(run), sections, verdict(run, tables, view), references(run), how(run, tables, view, runs))
