"""The VAE chapter's probe: where its decoder and encoder stand in a run, for the browser to compute with. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.data import DATASETS, Split, held_out, load
from core.data.subsets import every
from core.errors import DataError
from core.families.vaes import findings
from core.families.vaes.layers import browser_decoder, browser_encoder
from core.runs.store import Run
from pages._ui.runtime.payload import kept_epoch
from pages._ui.shell import states
from pages._ui.show import reading
from pages._ui.vaes import latent_space


def listed(items: Sequence[object]) -> str:
    """Return ``1``, ``1 and 5``, ``1, 5 and 10``."""
    words = [str(one) for one in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def images_of(run: Run, split: str) -> Split:
    """Return a run's images; DataError saying how to get them if they are not here."""
    return held_out(run.config.data) if split == "validation" else load(run.config.data, split)


def images_or_none(run: Run, split: str) -> Split | None:
    """Return a run's images, or None where they are not on this machine."""
    try:
        return images_of(run, split)
    except DataError:
        return None


def weights_caption(run: Run, epoch: int) -> int | None:
    """Say which epoch's weights the probe has, and return it; None, and what to do, where none are kept."""
    at = kept_epoch(run, epoch)
    if at is None:
        states.nothing_yet(
            "No weights are kept yet", "They are written after the first epoch that is kept, and at the end."
        )
        return None
    near = "" if at == epoch else f", the kept one nearest to {epoch}"
    st.caption(f"Weights of epoch {at}{near}. The scrubber changes them; z stays.")
    return at


def telling(run: Run, epoch: int) -> list[int]:
    """Return the dimensions of z, the one with the most KL first."""
    order = [int(one) for one in findings.kl_at(reading.history(run), epoch)["dimension"]]
    return order or list(range(run.config.latent_dim))


def show_probe(run: Run, epoch: int) -> None:
    """Let the reader move z, at the epoch shown."""
    at = weights_caption(run, epoch)
    if at is None:
        return
    config = run.config
    latents = latent_space.Latents(
        browser_decoder(config, "vae.decoder"), config.latent_dim, browser_encoder(config, "vae.encoder")
    )
    shown = latent_space.Shown.of(images_or_none(run, "validation"), "validation")
    names = DATASETS[config.data].classes
    latent_space.show(run, at, latents, shown, order=telling(run, epoch), names=names)


def show_table_probe(run: Run, epoch: int) -> None:
    """Let the reader move z in the decoder of per-image latents, among the training images' own means."""
    at = weights_caption(run, epoch)
    if at is None:
        return
    config = run.config
    split = images_or_none(run, "train")
    kept = every(DATASETS[config.data].sizes["train"], config.kept_images)  # the images whose latents the run keeps
    rows = None if split is None else {"name": "latents.rows", "n": len(kept)}
    latents = latent_space.Latents(browser_decoder(config, "decoder.decoder"), config.latent_dim, rows=rows)
    shown = latent_space.Shown.of(split, "training", kept)
    names = DATASETS[config.data].classes
    latent_space.show(run, at, latents, shown, order=telling(run, epoch), names=names)
