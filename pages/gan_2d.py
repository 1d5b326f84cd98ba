"""2-D GAN: the decision field, the two sets of points, the arrows between them; recorded and live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.chapters.gan_2d import charts, findings
from core.chapters.gan_2d.config import GAN2DConfig
from core.data.points import distribution
from core.runs.store import Run
from pages._ui import chapter as ui
from pages._ui.gan_2d import film as gan_film
from pages._ui.gan_2d import lab as gan_lab

# Lin et al., PacGAN, arXiv:1712.04086, table 1 (10 trials): modes found, share of samples within 3 sigma.
PACGAN = {
    "ring": (("GAN", 6.3, 0.982), ("PacGAN2", 7.9, 0.956)),
    "grid": (("GAN", 17.3, 0.948), ("PacGAN4", 24.8, 0.936)),
}
PROTOCOL = (
    "10 trials each, the same geometry. They count a mode that holds one good sample of 2,500; here it must hold a "
    "tenth of its share of 10,000"
)

PANELS: dict[str, tuple[str, dict[str, str], dict[str, Any], str]] = {
    "losses": (
        "Losses of the two networks",
        {"train_d_loss": "discriminator", "train_g_loss": "generator"},
        {"title_y": "loss, mean of a frame's steps"},
        "Neither has to fall: each is measured against an opponent that learns too.",
    ),
    "divergence": (
        "Distance between the two sets, on a grid of 25 × 25",
        {"js": "JS", "kl": "KL"},
        {"title_y": "nats", "log": True},
        "JS(real, generated) ends at log 2 = 0.693 for disjoint sets. KL(real ‖ generated) has half a count added to "
        "every cell, so that it stays finite.",
    ),
    "modes": (
        "Modes: covered, and how well",
        {"covered": "covered", "high_quality": "in 3 sigma", "sigma_ratio": "width"},
        {"title_y": "share", "level": 1.0},
        "Shares of the modes covered and of the samples within 3 sigma of one; the samples' width within a mode "
        "over the real one. All three are 1 for a perfect generator; a width near 0 is a mode collapsed to a point.",
    ),
    "weights": (
        "Weights of the modes: reverse KL",
        {"reverse_kl": "KL(generated ‖ real) over modes"},
        {"title_y": "nats"},
        "How unevenly the samples share the modes; log of their number if one holds all.",
    ),
    "gradients": (
        "What drives the generator",
        {"arrow": "mean gradient arrow", "train_slope": "critic's slope"},
        {"title_y": "loss per side of the square", "log": True},
        "Where this falls to nothing while the sets still differ, the generator has stopped learning.",
    ),
    "decision": (
        "How decided the field is",
        {"undecided": "grey share", "level_real": "level on real", "level_generated": "on generated"},
        {"title_y": "share; level from 0 to 1", "domain": (0.0, 1.0)},
        "Both sets at one half and a grey square: the discriminator has nothing left to tell them apart by.",
    ),
}


SO_FAR = [
    ui.SoFar("js", "JS divergence", "{:.3f} nats"),
    ui.SoFar("modes", "Modes covered", "{:.0f}", high=True),
    ui.SoFar("high_quality", "High quality", "{:.1%}", high=True),
    ui.SoFar("reverse_kl", "Reverse KL", "{:.4f} nats"),
]


def source_of(run: Run) -> Any:
    """Return the distribution that a run learns."""
    config = run.config_as(GAN2DConfig)
    return distribution(config.data, config.points, config.jitter)


def show_headline(run: Run) -> None:
    """Show the run's figures over its seeds, or how far its own seed is."""
    if ui.so_far(run, SO_FAR, "frame"):
        return
    metrics, source = run.metrics, source_of(run)
    known = source.n_modes > 0
    published = PACGAN.get(run.config_as(GAN2DConfig).data, ())
    best = published[-1] if published else None
    over = f"mean of {findings.seeds_in_words(metrics)}, held-out points"
    figures = [
        ui.Figure(
            "JS divergence",
            metrics.get("js_mean"),
            "{:.3f} nats",
            note=f"{over}; real points measure {metrics['js_floor']:.2g}" if "js_floor" in metrics else over,
            help="Jensen-Shannon divergence on a grid of 25 × 25 cells: 0 for equal sets, 0.693 for disjoint ones.",
        )
    ]
    if known:
        noun = "curve pieces" if source.spread == 1 else "modes"
        figures += [
            ui.Figure(
                f"{noun.capitalize()} covered",
                metrics.get("modes_min"),
                f"{{:.0f}} of {source.n_modes}",
                published=f"{best[1]:g} ({best[0]})" if best else None,
                note="on the worst seed",
            ),
            ui.Figure(
                "High quality",
                metrics.get("high_quality_mean"),
                "{:.1%}",
                published=f"{best[2]:.1%} ({best[0]})" if best else None,
                note="of samples within 3 sigma",
            ),
            ui.Figure(
                "Reverse KL",
                metrics.get("reverse_kl_mean"),
                "{:.4f} nats",
                note="over the modes: how evenly they share the samples",
            ),
        ]
    ui.headline(figures)


def _others(ch: ui.Chapter) -> dict[str, Run]:
    """Return the runs that may stand beside the shown one, those on the same points and seed first."""
    mine = ch.run.config_as(GAN2DConfig)

    def far(run: Run) -> tuple[bool, bool, str]:
        config = run.config.to_dict()
        same = (config.get("data"), config.get("points", "")) == (mine.data, mine.points)
        return (not same, config.get("seed") != mine.seed, run.name)

    there = [run for run in ch.runs if run.id != ch.run.id and gan_film.is_there(run)]
    return {f"{run.name}" if run.shipped else f"yours: {run.name}": run for run in sorted(there, key=far)}


def show_picture(ch: ui.Chapter) -> tuple[int, list[Run]]:
    """Show the player over the run, alone or beside another; return the frame it rests at, and the runs."""
    others = _others(ch)
    picked = None
    if others:
        picked = ui.control(
            st.selectbox, "Beside it", list(others), key="with", index=None, placeholder="one run alone", width=360
        )
    runs = [ch.run, *([others[picked]] if picked else [])]
    panes = [gan_film.pane_of(run) for run in runs]
    frames = len(panes[0].film)
    return gan_film.show(runs, frames), runs


def show_measures(runs: Sequence[Run], frame: int) -> None:
    """Show the measures over time, with a cursor at the frame; those of the run beside it dashed."""
    step = int(gan_film.film_of(runs[0]).steps[frame])
    shown = []
    for key, (title, columns, settings, words) in PANELS.items():
        table = ui.overlaid(runs, columns, "step", gan_film.with_covered)
        if not table.empty:
            shown.append((key, title, table, settings, words))
    for start in range(0, len(shown), 2):
        for column, (key, title, table, settings, words) in zip(ui.columns(2), shown[start : start + 2], strict=False):
            with column, ui.panel(title, help=words):
                chart = ui.drawn(charts.over_steps, table, step=step, **settings)
                ui.chart(chart, table, key=f"measure-{key}", alt=f"{title} over training steps")


def show_seeds(run: Run) -> None:
    """Show the table of seeds, and how the modes share the samples."""
    if "seeds" not in run.tables():
        return
    seeds = ui.run_table(run, "seeds")
    source = source_of(run)
    left, right = ui.columns(2)
    formats = {
        "js": ("JS (nats)", "%.4f"),
        "kl": ("KL (nats)", "%.3f"),
        "modes": (f"Modes of {source.n_modes}", "%d"),
        "high_quality": ("Within 3 sigma", "percent"),
        "reverse_kl": ("Reverse KL", "%.4f"),
        "sigma_ratio": ("Width ratio", "%.2f"),
    }
    with (
        left,
        ui.panel(
            f"Every seed, {10_000:,} samples each", help="The film above is of the first. Click a heading to sort."
        ),
    ):
        config = {
            name: st.column_config.NumberColumn(title, format=form)
            for name, (title, form) in formats.items()
            if name in seeds
        }
        ui.table(
            seeds,
            key="seeds",
            alt="Measures of every seed",
            column_config={"seed": st.column_config.NumberColumn("Seed"), **config},
            height="content",
        )
    if "modes" not in run.tables():
        return
    shares = ui.run_table(run, "modes").groupby("mode")["share"].agg(share="mean", low="min", high="max").reset_index()
    shares["true"] = source.shares
    noun = "piece of the curve" if source.spread == 1 else "mode"
    with (
        right,
        ui.panel(
            f"Share of the samples that each {noun} gets",
            help="Bars: mean over the seeds, good samples only; lines: lowest and highest seed; green: the true share.",
        ),
    ):
        ui.chart(ui.drawn(charts.mode_shares, shares), shares, key="shares", alt=f"Share of samples by {noun}")


def show_verdict(run: Run, frame: int) -> None:
    """Say what the shown frame's measures and the figures over the seeds mean."""
    source, pane = source_of(run), gan_film.pane_of(run)
    reading = pane.reading(frame)
    sentences = [f"**Step {pane.film.steps[frame]:,}.**", *reading.warnings, *reading.sentences]
    if "js_mean" in run.metrics:
        sentences += [
            "**At the end.**",
            findings.divergence_sentence(run.metrics),
            *findings.mode_sentences(run.metrics, source.n_modes, curve=source.spread == 1),
        ]
    ui.verdict(sentences)


def show_references(run: Run) -> None:
    """Show the run beside PacGAN's table where it learns the same distribution."""
    metrics = run.metrics
    data = run.config_as(GAN2DConfig).data
    if data not in PACGAN or "modes_mean" not in metrics:
        return
    one, two = PACGAN[data]
    source = "[Lin et al., PacGAN, table 1](https://arxiv.org/abs/1712.04086)"
    ui.references(
        [
            ui.Reference(
                "Modes found",
                f"{metrics['modes_mean']:.1f} of {source_of(run).n_modes}",
                published=f"{one[0]} {one[1]:g}, {two[0]} {two[1]:g}",
                source=source,
                protocol=PROTOCOL,
            ),
            ui.Reference(
                "High-quality samples",
                f"{metrics['high_quality_mean']:.1%}",
                published=f"{one[0]} {one[2]:.1%}, {two[0]} {two[2]:.1%}",
                source=source,
                protocol="within 3 standard deviations of a mode, both",
            ),
        ]
    )


def architecture(config: GAN2DConfig) -> pd.DataFrame:
    """Return both networks, layer by layer."""
    rows = []
    inputs = {
        "generator": config.noise_dim,
        "discriminator": (2 + 2 * config.d_features) * config.packing,
    }
    shapes = {
        "generator": (config.g_layers, config.g_neurons, 2),
        "discriminator": (config.d_layers, config.d_neurons, 1),
    }
    for name, (layers, neurons, outputs) in shapes.items():
        before = inputs[name]
        for layer in range(layers + 1):
            after = neurons if layer < layers else outputs
            act = config.activation if layer < layers else "none"
            rows.append((name, f"linear {before} to {after}", act, before * after + after))
            before = after
    return pd.DataFrame(rows, columns=["Network", "Layer", "Activation", "Parameters"])


FORMULAS = {
    "non-saturating": r"\mathcal L_D = -\mathbb E_x \log D(x) - \mathbb E_z \log\bigl(1 - D(G(z))\bigr), \qquad "
    r"\mathcal L_G = -\mathbb E_z \log D(G(z))",
    "least-squares": r"\mathcal L_D = \tfrac12\mathbb E_x (D(x) - 1)^2 + \tfrac12\mathbb E_z D(G(z))^2, \qquad "
    r"\mathcal L_G = \tfrac12\mathbb E_z (D(G(z)) - 1)^2",
    "wasserstein": r"\mathcal L_D = \mathbb E_z D(G(z)) - \mathbb E_x D(x) + \lambda\,\mathbb E_{\hat x}"
    r"\bigl(\lVert\nabla D(\hat x)\rVert - 1\bigr)^2, \qquad \mathcal L_G = -\mathbb E_z D(G(z))",
}
SOURCES = {
    "non-saturating": ("Goodfellow et al.", "https://arxiv.org/abs/1406.2661"),
    "least-squares": ("Mao et al.", "https://arxiv.org/abs/1611.04076"),
    "wasserstein": ("Gulrajani et al., WGAN-GP", "https://arxiv.org/abs/1704.00028"),
}


def show_how(run: Run) -> None:
    """Show formula, networks, sources and what to try."""
    config = run.config_as(GAN2DConfig)
    ui.how_it_works(
        formula=FORMULAS[config.loss],
        text=f"The {ui.term('generator')} moves noise into the plane; the {ui.term('discriminator')} learns which "
        "points are real. Its verdict over the whole square is the decision field. The arrows are minus the gradient "
        "of the generator's loss at each generated point: where the discriminator pushes it. At the end of a good "
        "training the sets overlap, the field is grey, and the arrows are short and point nowhere in particular. "
        f"{ui.term('mode collapse', 'Mode collapse')} shows as generated points huddled on a part of the real ones. "
        f"One frame is {config.steps_per_frame} steps; a step is {config.d_steps} "
        f"update{'s' if config.d_steps > 1 else ''} of the discriminator and {config.g_steps} of the generator.",
        architecture=architecture(config),
        source=[
            SOURCES[config.loss],
            ("PacGAN", "https://arxiv.org/abs/1712.04086"),
            ("GAN Lab", "https://poloclub.github.io/ganlab/"),
        ],
        tries=[
            ui.Try("See the first frames, where the field splits before the points have moved", {gan_film.FRAME: 3}),
            ui.Try(
                "Make it fail: watch a generator jump from cluster to cluster",
                {"run": "shipped/gan_2d/collapse", gan_film.FRAME: 0},
            ),
            ui.Try(
                "Put packing beside it: the same points, the same seed, no collapse",
                {"run": "shipped/gan_2d/collapse", "with": "disjoint", gan_film.FRAME: 20},
            ),
            ui.Try("Draw your own distribution and train on it", {"lab": True, "lab.data": "points"}),
        ],
    )


def show_page() -> None:
    """Show the chapter."""
    ch = ui.open_chapter("gan_2d")
    run = ch.run
    show_headline(run)
    if run.status != "finished" and not gan_film.is_there(run):
        ui.no_epoch(run, "Its picture and its measures appear with the first frame.")
        return
    frame, runs = None, [run]
    with ui.guarded():
        frame, runs = show_picture(ch)
        st.button(
            "Train on from this frame",
            key="_branch",
            icon=":material/fork_right:",
            on_click=gan_lab.begin_branch,
            args=(run, frame),
            help="Opens the laboratory below at this frame: a branch that you can change",
        )
    with ui.probe("Laboratory: train it live, step either network, draw your own points", key="lab") as opened:
        if opened:
            with ui.guarded():
                gan_lab.show_lab(ch.runs)
    if frame is not None:
        with ui.guarded():
            show_measures(runs, frame)
            show_verdict(run, frame)
    with ui.guarded():
        show_seeds(run)
    show_references(run)
    show_how(run)


with ui.guarded():
    show_page()
