"""What others measured: the reports of the same exercise, and Burda's table for the binarised benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from core.chapters.log_probability.config import LogProbabilityConfig
from core.families.log_probs.tables import mean_with_error
from core.families.vaes.findings import comparable, held_out_split
from core.runs.store import Run
from core.story import Column, Panel, Reference, Table
from core.telling import Tables
from core.words import number

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


def benchmark_of(runs: Sequence[Run]) -> Run | None:
    """Return the run of the binarised benchmark, if there is one that has been measured with 5,000 samples."""
    return next((run for run in runs if run.config.data == "mnist" and "nll_nats_5000" in run.metrics), None)


def benchmark(runs: Sequence[Run]) -> Panel:
    """Return the binarised benchmark beside Burda's table."""
    run = benchmark_of(runs)
    rows: list[dict[str, object]] = [
        {"model": f"{name}, k = {k}", "nll": value, "source": "Burda et al., table 1"}
        for name, values in BURDA.items()
        for k, value in zip((1, 5, 50), values, strict=True)
    ]
    if run is not None:
        k = run.config_as(LogProbabilityConfig).iwae_samples
        own = {"VAE, k = 1": "nll_nats_5000", f"IWAE, k = {k}": "iwae_nll_nats_5000"}
        rows[:0] = [
            {"model": name, "nll": run.metrics[key], "source": f"run {run.name}"}
            for name, key in own.items()
            if key in run.metrics
        ]
    columns = {"model": Column("Model"), "nll": Column("NLL (nats)", ",.2f"), "source": Column("Source")}
    table = Table(pd.DataFrame(rows), columns, "Negative log-likelihoods of the benchmark")
    help = "Negative log p(x) in nats, 5,000 samples, whole test set; lower is better. k: samples in the bound. "
    help += (
        "The command below trains such a run."
        if run
        else "No run of this benchmark is here; it trains for hours on two cores with the command below."
    )
    return Panel("burda", "Binarised MNIST beside Burda et al.", table, help)


def references(run: Run, tables: Tables) -> list[Reference]:
    """Return the run beside the reports of the same exercise; nothing where it is of another one."""
    if not comparable(run):
        return []
    split, config = held_out_split(run), run.config_as(LogProbabilityConfig)
    protocol = (
        "they average the KL over dimensions and the error over pixels, so they do not train the bound that they report"
    )
    if config.iwae_epochs:
        protocol += f"; this run's last {config.iwae_epochs} epochs train the {config.iwae_samples}-sample bound"
    rows = []
    for name, where in ((split, "test"), ("train", "train")):
        images = tables[f"images_{name}"]
        mean, error = mean_with_error(images["log_prob"])
        rows.append(
            Reference(
                f"Mean log p(x), {name} (nats)",
                f"{number(mean, '{:,.2f}')} ± {error:.2f} (n = {len(images):,})",
                number(REPORT[where]),
                number(OTHER_REPORT[where]),
                "two reports of the same exercise, amortised VAE",
                protocol if name == split else "as above",
            )
        )
    digit = run.metrics.get(f"{split}_log_prob_digit_1")
    if digit is not None:
        report, other = number(REPORT_DIGITS[1]), number(OTHER_DIGITS[1])
        rows.append(
            Reference("Digit 1 (nats)", number(digit, "{:,.2f}"), report, other, "as above", "as above"),
        )
    return rows
