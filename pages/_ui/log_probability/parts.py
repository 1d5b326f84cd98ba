"""Parts of the log-probability page: images with their values, the clicked row, Burda's table, the probe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.data import DATASETS, Split, availability, held_out, load
from core.data.images import from_drawing
from core.families.log_probs import charts, findings
from core.families.log_probs.tables import extremes as extremes_of
from core.families.log_probs.tables import typical as typical_of
from core.families.vaes.findings import comparable, held_out_split
from core.runs.store import Run
from pages._ui.controls import links
from pages._ui.controls.draw import draw
from pages._ui.shell import states
from pages._ui.show import reading
from pages._ui.show.drawn import drawn
from pages._ui.show.gallery import gallery
from pages._ui.show.grids import image_grid
from pages._ui.show.panels import chart, panel, table

SHOWN = 8
# The course reports' mean log p(x), in all and per digit 0 ... 9, of an amortised VAE with sigma 0.4.
REPORT = {"train": -178.49, "test": -189.04}
REPORT_DIGITS = (-173.35, -66.16, -329.22, -223.46, -180.30, -188.56, -173.50, -158.93, -185.22, -158.90)
OTHER_REPORT = {"train": -208.9, "test": -224.5}
OTHER_DIGITS = (-218.0, -68.0, -296.0, -238.0, -207.0, -301.0, -232.0, -144.0, -295.0, -162.0)
# Burda, Grosse and Salakhutdinov, table 1: one stochastic layer, NLL in nats with 5,000 samples, k = 1, 5, 50.
BURDA = {"VAE": (86.76, 86.47, 86.35), "IWAE": (86.76, 85.54, 84.78)}
BENCHMARK_COMMAND = (
    "python -m core train log_probability --name binarised-mnist --set likelihood=bernoulli binarise=True "
    "proposal=encoder latent_dim=50 width=512 epochs=190 iwae_epochs=20 iwae_samples=10 learning_rate=0.002 "
    "iwae_rate=0.0005 kl_warmup=10 batch_size=128 ema=0.9995 samples=5000 train_images=500 "
    "validation_images=500 ais_images=1 ais_temperatures=300"
)


def samples_words(run: Run) -> str:
    """Return how many samples of z the run's images were measured with."""
    config = run.config
    return findings.samples_words(config.samples, config.most_samples if config.proposal == "fitted" else None)


def digit_table(run: Run, split: str, epoch_values: dict[int, float]) -> pd.DataFrame:
    """Return the table per digit: both splits, terms, baselines and the reports, a row per digit."""
    digits = reading.table(run, "digits")
    own = digits[digits["split"] == split].set_index("label")
    train = digits[digits["split"] == "train"].set_index("label")
    table = pd.DataFrame({"digit": own.index, split: own["log_prob"].to_numpy(), "± s.e.": own["error"].to_numpy()})
    table["train"] = train["log_prob"].reindex(own.index).to_numpy()
    if epoch_values:
        table["at epoch"] = [epoch_values.get(label) for label in own.index]
    for column, words in (("reconstruction", "reconstruction"), ("kl", "KL"), ("slack", "slack")):
        table[words] = own[column].to_numpy()
    if "baselines" in run.tables():
        exact = reading.table(run, "baselines").query("split == @split")
        for model, words in (("ppca", "PPCA, same z"), ("ppca_all", "PPCA, all z")):
            table[words] = exact[exact["model"] == model].set_index("label")["log_prob"].reindex(own.index).to_numpy()
    if comparable(run):
        table["report"], table["other report"] = list(REPORT_DIGITS), list(OTHER_DIGITS)
    table["samples' worth"] = own["effective_samples"].to_numpy()
    return table


def images_with_pictures(run: Run) -> tuple[str, pd.DataFrame]:
    """Return a split whose pictures are on this machine, and its image table: held-out images either way.

    Where the whole data set is not here, the bundled validation images are shown in the place of the test images.
    """
    split = held_out_split(run)
    if split == "test" and not availability(run.config.data).ready:
        split = "validation"
    return split, reading.table(run, f"images_{split}")


def pictures(run: Run, split: str) -> Split:
    """Return the split's pictures from the lightest source."""
    return held_out(run.config.data) if split == "validation" else load(run.config.data, split)


@st.cache_data(max_entries=16, show_spinner=False)
def typical(images: pd.DataFrame) -> pd.DataFrame:
    """Return the median image of each digit."""
    return typical_of(images)


@st.cache_data(max_entries=64, show_spinner=False)
def extremes(images: pd.DataFrame, label: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the most and the least probable images of a digit."""
    return extremes_of(images, label, SHOWN)


def show_images(run: Run, split: str, rows: pd.DataFrame, *, key: str, label: bool = False) -> None:
    """Show images with log p(x) and its standard error below each."""
    source = pictures(run, split)
    names = DATASETS[run.config.data].classes
    texts = []
    for row in rows.to_dict("records"):
        text = findings.value_with_error({str(name): value for name, value in row.items()}, run.config.wanted)
        texts.append(f"{names[int(row['label'])]}: {text}" if label else text)
    places = rows["index"].to_numpy(dtype=np.int64)
    gallery(source.images[places], texts, key=key, alt=f"{len(places)} {split} images with log p(x) in nats")


def glance(history: pd.DataFrame, epoch: int) -> dict[int, float]:
    """Return the quick validation log p(x) of each digit after an epoch."""
    row = history[history["epoch"] == epoch]
    prefix = "validation_log_prob_digit_"
    columns = [name for name in history.columns if name.startswith(prefix)]
    return {int(name.removeprefix(prefix)): float(row[name].iloc[0]) for name in columns if len(row)}


def table_key(name: str) -> str:
    """Return the key of a clickable table: it changes when a click has been taken up, which clears the selection."""
    return f"{name}-{st.session_state.get(f'_{name}_clicks', 0)}"


def take_row(name: str, labels: Sequence[int]) -> None:
    """Copy a click on a row of the table into the control ``digit``, which is what the page reads."""
    state = st.session_state.get(table_key(name))
    rows = state["selection"]["rows"] if state else []
    if rows and int(rows[0]) < len(labels):
        links.set_controls({"digit": str(int(labels[int(rows[0])]))})
        st.session_state[f"_{name}_clicks"] = st.session_state.get(f"_{name}_clicks", 0) + 1


def tightening_table(run: Run, label: int) -> pd.DataFrame:
    """Return the tightening curves that are shown: all digits, the chosen one, and the fine-tuned model's."""
    frame = reading.table(run, "tightening")
    parts = [frame[frame["label"] == -1].assign(series="all digits")]
    parts.append(frame[frame["label"] == label].assign(series=f"digit {label}"))
    if "tightening_iwae" in run.tables():
        tuned = reading.table(run, "tightening_iwae")
        parts.append(tuned[tuned["label"] == -1].assign(series="all digits, IWAE"))
    return pd.concat(parts, ignore_index=True).drop(columns="label")


def benchmark_of(runs: Sequence[Run]) -> Run | None:
    """Return the run of the binarised benchmark, if there is one that has been measured with 5,000 samples."""
    return next((run for run in runs if run.config.data == "mnist" and "nll_nats_5000" in run.metrics), None)


def show_benchmark(runs: Sequence[Run]) -> None:
    """Show the binarised benchmark beside Burda's table."""
    run = benchmark_of(runs)
    with panel(
        "Binarised MNIST beside Burda et al.",
        help="Negative log p(x) in nats, 5,000 samples, whole test set; lower is better. k: samples in the bound.",
    ):
        rows: list[dict[str, Any]] = [
            {"model": f"{name}, k = {k}", "NLL (nats)": value, "source": "Burda et al., table 1"}
            for name, values in BURDA.items()
            for k, value in zip((1, 5, 50), values, strict=True)
        ]
        if run is not None:
            own = {"VAE, k = 1": "nll_nats_5000", f"IWAE, k = {run.config.iwae_samples}": "iwae_nll_nats_5000"}
            rows[:0] = [
                {"model": name, "NLL (nats)": run.metrics[key], "source": f"run {run.name}"}
                for name, key in own.items()
                if key in run.metrics
            ]
        table(
            pd.DataFrame(rows),
            key="burda",
            alt="Negative log-likelihoods of the benchmark",
            column_config={"NLL (nats)": st.column_config.NumberColumn(format="%.2f")},
            height="content",
        )
        if run is None:
            st.caption("No run of this benchmark is here. It trains for hours on two cores with:")
        else:
            st.caption("The command that trains such a run:")
        st.code(BENCHMARK_COMMAND, language="bash", wrap_lines=True)


def show_probe(run: Run) -> None:
    """Let the reader pick or draw an image and measure it now, with its error bar."""
    if not run.has_weights():
        states.nothing_yet("No weights are kept yet", "They are written when training ends.")
        return
    left, right = st.columns([1, 2], gap="large")
    with left:
        way = links.control(st.segmented_control, "Image", ["Pick", "Draw"], default="Pick", key="from", required=True)
        image = _picked(run) if way == "Pick" else _drawn()
        names = ["VAE"] + (["IWAE"] if run.config.iwae_epochs and run.config.keep_plain else [])
        model = links.control(st.segmented_control, "Model", names, default="VAE", key="model", required=True)
        samples = links.control(st.select_slider, "Samples of z", [50, 200, 1000, 5000], value=1000, key="samples")
    if image is None:
        with right:
            states.nothing_yet("Nothing is drawn yet", "Draw a digit on the canvas; its value appears here.")
        return
    with right:
        _measure(run, image, str(model).lower(), int(samples))


def _picked(run: Run) -> NDArray[np.uint8] | None:
    source = pictures(run, "validation")
    place = links.control(st.number_input, "Validation image", 0, len(source) - 1, value=0, key="image")
    name = DATASETS[run.config.data].classes[int(source.labels[place])]
    image_grid(
        source.images[place][None, None],
        key="picked",
        alt=f"Validation image {place}, {name}",
        scale=5,
        caption=f"validation image {place:,}: {name}",
    )
    return source.images[place]


def _drawn() -> NDArray[np.uint8] | None:
    canvas = draw(key="drawing", label="Draw a digit to measure its log-probability")
    return None if canvas is None else from_drawing(canvas)


def _measure(run: Run, image: NDArray[np.uint8], name: str, samples: int) -> None:
    from core.chapters.log_probability.probe import read
    from core.chapters.log_probability.train import build, latent_model

    modules = reading.cached_model(run, None, build)
    config: Any = run.config
    begun = time.perf_counter()
    found = read(latent_model(modules[name], config), image, config, n_samples=samples)
    took = time.perf_counter() - begun
    mark = f" {findings.MARK}" if found.effective_samples < config.wanted else ""
    st.metric(
        "log p(x) of this image", findings.plain(f"{found.log_prob:,.2f} ± {found.standard_error:.2f} nats{mark}")
    )
    st.caption(
        f"{samples:,} samples in {1000 * took:,.0f} ms, worth {found.effective_samples:,.0f} independent ones. "
        + findings.plain(f"Reconstruction {found.reconstruction:.2f}, KL {found.kl:.2f}, ELBO {found.elbo:.2f} nats.")
        + (f" {findings.mark_sentence(config.wanted)}" if mark else "")
        + (" Measured on a black-and-white draw of the image." if config.binarise else "")
    )
    frame = pd.DataFrame(found.running, columns=["samples", "log_prob"])
    chart(
        drawn(charts.running, frame, log_prob=found.log_prob, error=found.standard_error),
        frame,
        key="running",
        alt=f"The estimate as samples come in, ending at {found.log_prob:.2f} nats",
    )
    stored = reading.table(run, f"images_{held_out_split(run)}")["log_prob"]
    below = 100 * float((stored < found.log_prob).mean())
    st.caption(f"More probable than {below:.0f} % of the {len(stored):,} {held_out_split(run)} images.")
