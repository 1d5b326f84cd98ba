"""What the 2-D GAN's chapter says of a run: how far the points are from the real ones, and what the modes get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from core.chapters.gan_2d import charts, findings
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.state import read_state
from core.data.points import Distribution, distribution
from core.runs.store import Run
from core.story import Chart, Column, Figure, How, Panel, Reference, Section, Story, Table, Try, Verdict
from core.telling import SoFar, overlaid, so_far
from core.words import number

SAMPLES = 10_000
SO_FAR = (
    SoFar("js", "JS divergence", "{:.3f} nats"),
    SoFar("modes", "Modes covered", "{:.0f}", high=True),
    SoFar("high_quality", "High quality", "{:.1%}", high=True),
    SoFar("reverse_kl", "Reverse KL", "{:.4f} nats"),
)

# Lin et al., PacGAN, arXiv:1712.04086, table 1 (10 trials): modes found, share of samples within 3 sigma.
PACGAN = {
    "ring": (("GAN", 6.3, 0.982), ("PacGAN2", 7.9, 0.956)),
    "grid": (("GAN", 17.3, 0.948), ("PacGAN4", 24.8, 0.936)),
}
PROTOCOL = (
    "10 trials each, the same geometry. They count a mode that holds one good sample of 2,500; here it must hold a "
    "tenth of its share of 10,000"
)

# key -> title, history columns with their names, settings of the chart, reading help
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


def source_of(run: Run) -> Distribution:
    """Return the distribution that a run learns."""
    config = run.config_as(GAN2DConfig)
    return distribution(config.data, config.points, config.jitter)


def noun_of(source: Distribution) -> str:
    """Return what the distribution's parts are called."""
    return "piece of the curve" if source.spread == 1 else "mode"


def figures(run: Run) -> list[Figure]:
    """Return the run's figures over its seeds, or how far its own seed is."""
    if not run.metrics:
        return so_far(run, SO_FAR, "frame")
    metrics, source = run.metrics, source_of(run)
    published = PACGAN.get(run.config_as(GAN2DConfig).data, ())
    best = published[-1] if published else None
    over = f"mean of {findings.seeds_in_words(metrics)}, held-out points"
    found = [
        Figure(
            "JS divergence",
            metrics.get("js_mean"),
            "{:.3f} nats",
            note=f"{over}; real points measure {metrics['js_floor']:.2g}" if "js_floor" in metrics else over,
            help="Jensen-Shannon divergence on a grid of 25 × 25 cells: 0 for equal sets, 0.693 for disjoint ones.",
        )
    ]
    if not source.n_modes:
        return found
    return [
        *found,
        Figure(
            "Curve pieces covered" if source.spread == 1 else "Modes covered",
            metrics.get("modes_min"),
            f"{{:.0f}} of {source.n_modes}",
            published=f"{best[1]:g} ({best[0]})" if best else None,
            note="on the worst seed",
        ),
        Figure(
            "High quality",
            metrics.get("high_quality_mean"),
            "{:.1%}",
            published=f"{best[2]:.1%} ({best[0]})" if best else None,
            note="of samples within 3 sigma",
        ),
        Figure(
            "Reverse KL",
            metrics.get("reverse_kl_mean"),
            "{:.4f} nats",
            note="over the modes: how evenly they share the samples",
        ),
    ]


def with_covered(run: Run, history: pd.DataFrame) -> pd.DataFrame:
    """Return a run's history with the share of the modes that are covered, where there are any."""
    n_modes = source_of(run).n_modes
    return history.assign(covered=history["modes"] / n_modes) if n_modes and "modes" in history else history


def course(runs: Sequence[Run], frame: int) -> Section:
    """Return the measures over time, with a cursor at the frame; those of the run beside it dashed."""
    step = frame * runs[0].config_as(GAN2DConfig).steps_per_frame
    digests = tuple(run.digest for run in runs)
    panels = []
    for key, (title, columns, settings, words) in PANELS.items():
        frame_of = overlaid(runs, columns, "step", with_covered)
        if not frame_of.empty:
            chart = Chart(
                charts.over_steps,
                frame_of,
                alt=f"{title} over training steps",
                settings={"step": step, **settings},
                key=(digests, key, step),
            )
            panels.append(Panel(f"measure-{key}", title, chart, words))
    return Section("Measures over time", panels)


def over_seeds(run: Run) -> Section | None:
    """Return the table of seeds, and how the modes share the samples; None before they are measured."""
    if "seeds" not in run.tables():
        return None
    seeds, source = run.table("seeds"), source_of(run)
    columns = {
        "seed": Column("Seed", "d"),
        "js": Column("JS (nats)", ".4f"),
        "kl": Column("KL (nats)", ".3f"),
        "modes": Column(f"Modes of {source.n_modes}", ".0f"),
        "high_quality": Column("Within 3 sigma", ".1%"),
        "reverse_kl": Column("Reverse KL (nats)", ".4f"),
        "sigma_ratio": Column("Width ratio", ".2f"),
    }
    table = Table(seeds, {name: c for name, c in columns.items() if name in seeds}, "Measures of every seed")
    help = "The film above is of the first. Click a heading to sort."
    panels = [Panel("seeds", f"Every seed, {SAMPLES:,} samples each", table, help)]
    if "modes" in run.tables():
        grouped = run.table("modes").groupby("mode")["share"]
        shares = grouped.agg(share="mean", low="min", high="max").reset_index().assign(true=source.shares)
        chart = Chart(
            charts.mode_shares, shares, alt=f"Share of samples by {noun_of(source)}", key=(run.digest, "shares")
        )
        words = "Bars: mean over the seeds, good samples only; lines: lowest and highest seed; green: the true share."
        panels.append(Panel("shares", f"Share of the samples that each {noun_of(source)} gets", chart, words))
    return Section("Every seed", panels)


def verdict(run: Run, frame: int | None) -> Verdict | None:
    """Return what the figures over the seeds say, and what the shown frame's measures say."""
    source, history = source_of(run), run.whole_history()
    rows = [] if frame is None else history[history["epoch"] == frame].to_dict("records")
    at_frame = []
    if rows:
        measured = {str(name): float(value) for name, value in rows[0].items()}
        step = int(measured["step"])
        state = read_state(measured, loss=run.config_as(GAN2DConfig).loss, n_modes=source.n_modes, step=step)
        at_frame = [f"**Step {step:,}.**", *state.warnings, *state.sentences]
    if "js_mean" not in run.metrics:
        return Verdict(at_frame) if at_frame else None
    modes = findings.mode_sentences(run.metrics, source.n_modes, curve=source.spread == 1)
    return Verdict([findings.divergence_sentence(run.metrics), *modes], at_frame)


def references(run: Run) -> list[Reference]:
    """Return the run beside PacGAN's table; nothing where it learns another distribution."""
    metrics, data = run.metrics, run.config_as(GAN2DConfig).data
    if data not in PACGAN or "modes_mean" not in metrics:
        return []
    one, two = PACGAN[data]
    source = "[Lin et al., PacGAN, table 1](https://arxiv.org/abs/1712.04086)"
    return [
        Reference(
            "Modes found",
            f"{metrics['modes_mean']:.1f} of {source_of(run).n_modes}",
            published=f"{one[0]} {one[1]:g}, {two[0]} {two[1]:g}",
            source=source,
            protocol=PROTOCOL,
        ),
        Reference(
            "High-quality samples",
            number(metrics["high_quality_mean"], "{:.1%}"),
            published=f"{one[0]} {one[2]:.1%}, {two[0]} {two[2]:.1%}",
            source=source,
            protocol="within 3 standard deviations of a mode, both",
        ),
    ]


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


def how(run: Run) -> How:
    """Return formula, networks, sources and what to try."""
    config = run.config_as(GAN2DConfig)
    return How(
        formula=FORMULAS[config.loss],
        text="The [[generator]] moves noise into the plane; the [[discriminator]] learns which points are real. Its "
        "verdict over the whole square is the decision field. The arrows are minus the gradient of the generator's "
        "loss at each generated point: where the discriminator pushes it. At the end of a good training the sets "
        "overlap, the field is grey, and the arrows are short and point nowhere in particular. "
        "[[mode collapse|Mode collapse]] shows as generated points huddled on a part of the real ones. "
        f"One frame is {config.steps_per_frame} steps; a step is {config.d_steps} "
        f"update{'s' if config.d_steps > 1 else ''} of the discriminator and {config.g_steps} of the generator.",
        architecture=architecture(config),
        sources=[
            SOURCES[config.loss],
            ("PacGAN", "https://arxiv.org/abs/1712.04086"),
            ("GAN Lab", "https://poloclub.github.io/ganlab/"),
        ],
        tries=[
            Try("See the first frames, where the field splits before the points have moved", {"epoch": 3}),
            Try(
                "Make it fail: watch a generator jump from cluster to cluster",
                {"run": "shipped/gan_2d/collapse", "epoch": 0},
            ),
            Try(
                "Put packing beside it: the same points, the same seed, no collapse",
                {"run": "shipped/gan_2d/collapse", "with": "disjoint", "epoch": 20},
            ),
            Try("Draw your own distribution and train on it", {"lab": True, "lab.data": "points"}),
        ],
    )


def tell(run: Run, frame: int | None = None) -> Story:
    """Return the whole story of a run; by default at its last frame."""
    at = run.whole_history()["epoch"].max() if frame is None else frame
    sections = [course([run], int(at)), *([one] if (one := over_seeds(run)) else [])]
    return Story(figures(run), sections, verdict(run, int(at)), references(run), how(run))
