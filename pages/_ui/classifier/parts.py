"""Parts of the classifier's page: figures beside the references, the probe, and how it works."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.data import DATASETS, Split, held_out, load
from core.data.images import from_drawing
from core.errors import AtlasError
from core.families.classifiers import charts, findings
from core.families.classifiers.layers import architecture
from core.options import Config
from core.runs.store import Run
from core.words import as_text
from pages._ui import chapter as ui
from pages._ui.controls.draw import draw

ANY = "any"  # every class, in the controls of the matrix

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


def split_name(run: Run) -> str:
    """Return the split of the headline figures: test where the data set has one."""
    return DATASETS[run.config.data].held_out_split


SO_FAR = [
    ui.SoFar("validation_accuracy", "Validation accuracy", "{:.2%}", high=True),
    ui.SoFar("train_accuracy", "Training accuracy", "{:.2%}", high=True),
    ui.SoFar("validation_loss", "Validation loss", "{:.4f} nats"),
    ui.SoFar("train_loss", "Training loss", "{:.4f} nats"),
]


def show_headline(run: Run) -> None:
    """Show the run's final figures beside the report's and the published ones, or how far it is."""
    if ui.so_far(run, SO_FAR):
        return
    split, data, metrics = split_name(run), run.config.data, run.metrics
    digits = data != "fashion-mnist"
    size = DATASETS[data].sizes[split]
    note = f"held out: {size:,} {split} images"
    ui.headline(
        [
            ui.Figure(
                f"{split.capitalize()} accuracy",
                metrics.get(f"{split}_accuracy"),
                "{:.2%}",
                report=REPORT["accuracy"] if digits else None,
                published=PUBLISHED.get(data),
                note=note,
            ),
            ui.Figure(
                "After one epoch",
                metrics.get(f"{split}_accuracy_epoch_1"),
                "{:.2%}",
                published=ONE_EPOCH if data == "mnist" else None,
                note=f"{split} accuracy of the same run",
            ),
            ui.Figure(
                f"{split.capitalize()} loss",
                metrics.get(f"{split}_loss"),
                "{:.4f} nats",
                report=f"{REPORT['loss']} (validation)" if digits else None,
                note="mean cross-entropy per image",
            ),
            ui.Figure(
                "Calibration error",
                metrics.get(f"{split}_ece"),
                "{:.2%}",
                note=f"mean distance of confidence from accuracy, {split} images",
                help="Expected calibration error over 15 bins of equal width; 0 is perfect.",
            ),
        ]
    )


def images_of(run: Run, split: str) -> Split | None:
    """Return the run's held-out images, or say in place why they are not here and what works without them."""
    try:
        return held_out(run.config.data) if split == "validation" else load(run.config.data, split)
    except AtlasError as error:
        with st.container():  # shown beside the mistakes and in the probe
            st.info(
                f"{as_text(error.remedy, code=True)}. "
                "The figures, the matrix and the lists below work without the images"
                + (", and so do the pictures of the validation images." if run.config.data == "mnist" else "."),
                title=f"The {split} images are not on this machine",
                icon=":material/image_not_supported:",
            )
        return None


def show_references(run: Run) -> None:
    """Show the run's figures in a table with the report's and published ones, and how the protocols differ."""
    split, data, metrics = split_name(run), run.config.data, run.metrics
    digits = data != "fashion-mnist"

    def text(name: str, form: str = "{:.2%}") -> str:
        return form.format(metrics[name]) if name in metrics else "–"

    title = split.capitalize()
    rows = [
        ui.Reference(
            f"{title} accuracy",
            text(f"{split}_accuracy"),
            f"{REPORT['accuracy']:.2%}" if digits else "–",
            f"{PUBLISHED[data]:.2%}" if data in PUBLISHED else "–",
            SOURCES.get(data, ""),
            "the report measured on its validation images" if digits else "test images; submitted, not verified",
        ),
        ui.Reference(f"{title} loss (nats)", text(f"{split}_loss", "{:.4f}"), f"{REPORT['loss']}" if digits else "–"),
    ]
    if data == "mnist":
        fast = ui.Reference(
            "Test accuracy after one epoch",
            text("test_accuracy_epoch_1"),
            "–",
            f"{ONE_EPOCH:.2%}",
            FAST,
            "60,000 training images",
        )
        rows.insert(1, fast)
    if data == "fashion-mnist":
        protocol = "768,000 weights, crops and flips"
        rows.append(
            ui.Reference(
                "Test accuracy", text("test_accuracy"), "–", f"{DENSENET:.2%}", f"DenseNet-BC: {FASHION}", protocol
            )
        )
    ui.references(rows)


@st.cache_data(max_entries=256, show_spinner="Asking the model")
def answers(digest: str, image: bytes, epochs: tuple[int, ...], _run: Run) -> pd.DataFrame:
    """Return the probability of each class after each epoch: ``epoch, label, probability``."""
    from core.families.classifiers.probe import answer

    return answer(_run, np.frombuffer(image, np.uint8).reshape(28, 28), epochs)


def probed_image(run: Run, tables: dict[str, pd.DataFrame], split: str) -> tuple[np.ndarray, str] | None:
    """Let the reader draw or pick an image; return it with what is known of it, or None where there is none yet."""
    ways = ["Draw", "Pick"]
    way = ui.control(st.segmented_control, "Image to read", ways, default=ways[0], key="from", required=True)
    if way == "Draw":
        drawing = draw(key="pad", label="Draw a digit: white ink on black")
        st.caption("Draw with the mouse, a pen or a finger. Ink is centred and scaled as MNIST's digits were.")
        return None if drawing is None else (from_drawing(drawing), "your drawing, as the network sees it")
    source = images_of(run, split)
    if source is None:
        return None
    mistakes = tables["mistakes"]["index"]
    first = int(mistakes.iloc[0]) if len(mistakes) else 0
    place = ui.control(
        st.number_input, f"Place among the {len(source):,} {split} images", 0, len(source) - 1, value=first, key="image"
    )
    label = DATASETS[run.config.data].classes[int(source.labels[place])]
    return source.images[place], f"{split} image {place:,}: {label}"


def show_probe(run: Run, tables: dict[str, pd.DataFrame], epochs: Sequence[int], epoch: int, split: str) -> None:
    """Let the reader ask the model, at the epoch shown, for its reading of a drawing or of a held-out image."""
    classes = DATASETS[run.config.data].classes
    left, middle, right = st.columns([3, 3, 4], gap="medium")
    with left:
        probed = probed_image(run, tables, split)
        if probed is None:
            return
        image, known = probed
        ui.image_grid(image[None, None], key="probed", alt=known, scale=4, caption=known)
    said = answers(run.digest, image.tobytes(), tuple(epochs), run)
    now = said[said["epoch"] == epoch]
    best = now.loc[now["probability"].idxmax()]
    with middle:
        st.markdown(f"**{classes[int(best['label'])]}**, {best['probability']:.1%} sure after epoch {epoch}")
        ui.chart(
            ui.drawn(charts.probabilities, now, classes),
            now,
            key="probabilities",
            alt=f"Probability of each class; the largest is {classes[int(best['label'])]}",
        )
    with right:
        st.markdown("**How the answer formed over the epochs**")
        ui.chart(
            ui.drawn(charts.answer_over_epochs, said, classes, epoch=epoch),
            said,
            key="answers",
            alt="Probability of each class after each kept epoch",
        )


def how_it_trains(config: Config) -> str:
    """Return what the network looks for and how this run trained it, from its config."""
    seen = [f"shifted by up to {config.shift} pixels"] if config.shift else []
    seen += ["mirrored half of the time"] if config.flip else []
    seen += [f"with a square of {config.erase} pixels blanked"] if config.erase else []
    return (
        "Five convolutions, each with normalisation and ReLU, look for strokes and their combinations; the maximum "
        "over all places asks whether a shape is there, not where. "
        + (f"Training shows every image {', '.join(seen)}. " if seen else "Training shows the images as they are. ")
        + f"What is tested is a running average of the weights (memory {config.averaging} per step): it forgets the "
        "noise of single batches, which is why so much is learned in one epoch. Figures for "
        f"{ui.term('held out')} images and their {ui.term('calibration')} are of images that training has not seen. "
        f"The same training from the command line: `{command(config)}`"
    )


def command(config: Config) -> str:
    """Return the command line that trains a run with this config."""
    changed = [f"{one.name}={getattr(config, one.name)}" for one in config.options() if one.name != "data"]
    defaults = {f"{one.name}={one.default}" for one in config.options()}
    settings = " ".join(text.lower() for text in changed if text not in defaults)
    return f"python -m core train classifier --data {config.data}" + (f" --set {settings}" if settings else "")


def show_how(ch: ui.Chapter, tables: dict[str, pd.DataFrame], epochs: Sequence[int]) -> None:
    """Show formula, architecture, sources and what to try."""
    config = ch.run.config
    classes = DATASETS[config.data].classes
    first, second, _ = findings.confused_pair(findings.matrix(tables["confusion"], len(classes)))
    tries = [
        ui.Try(f"See what it got wrong after epoch {epochs[0]}", {"epoch": epochs[0], "is": ANY, "as": ANY}),
        ui.Try(
            f"Look at each {classes[first]} that was read as {classes[second]}",
            {"is": classes[first], "as": classes[second]},
        ),
        ui.Try("Draw a digit of your own and watch the answer form", {"probe": True, "from": "Draw"}),
    ]
    other = next((run for run in ch.runs if run.config.data != config.data and run.status == "finished"), None)
    if other is not None:
        tries.append(
            ui.Try(
                f"Compare with {DATASETS[other.config.data].title}, where other classes are confused", {"run": other.id}
            )
        )
    ui.how_it_works(
        formula=r"\begin{aligned} \mathcal{L} &= -\frac{1}{N}\sum_{n=1}^{N} \log p(y_n \mid x_n) \\ "
        r"p(y \mid x) &= \frac{e^{f_y(x)}}{\sum_k e^{f_k(x)}} \end{aligned}",
        text=how_it_trains(config),
        architecture=architecture(config.width),
        source=[
            ("batch normalisation", "https://arxiv.org/abs/1502.03167"),
            ("AdamW", "https://arxiv.org/abs/1711.05101"),
            ("averaged weights", "https://doi.org/10.1137/0330046"),
            ("calibration", "https://arxiv.org/abs/1706.04599"),
        ],
        tries=tries,
    )
