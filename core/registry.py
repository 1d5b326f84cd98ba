"""The chapters in order: what is known of an experiment without importing its code.

An entry holds names, titles and module paths as text; a chapter's ``config`` is imported when it is asked for, and the
modules that need torch (``train``, ``evaluate``) when something is trained or measured. A chapter is a package,
``core.chapters.<name>``, with

- ``config``: a frozen dataclass of options, named by the entry;
- ``train``: ``train(config, recorder) -> status``;
- ``evaluate``: ``evaluate(run, device) -> Evaluation``, ``TOLERANCES``, and where an evaluation takes long
  ``verify(run, device)``, which recomputes a stated part of it;
- ``tables``: ``TABLES``, the tables of its evaluation, by name;
- ``story``: what its page says, as plain data.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from core.errors import ConfigError
from core.options import Config


@dataclass(frozen=True)
class Experiment:
    """One chapter's entry.

    ``headline`` names the metric on the home card and ``headline_label`` what it says, with its unit;
    ``headline_format`` is a format specification such as ``".2%"``. ``in_words`` says to a newcomer what the figure
    means, and ``report`` what the course report has beside it ("" where it has none). ``config_name`` is the class in
    the chapter's module ``config``; ``package`` the chapter's package, ``core.chapters.<name>`` unless it is said.
    """

    name: str
    title: str
    question: str
    group: str
    config_name: str
    icon: str
    headline: str
    headline_label: str
    headline_format: str
    in_words: str = ""
    report: str = ""
    package: str = ""

    def part(self, name: str) -> ModuleType:
        """Import and return a module of the chapter: ``config``, ``train``, ``evaluate`` or ``story``."""
        return importlib.import_module(f"{self.package or f'core.chapters.{self.name}'}.{name}")

    @cached_property
    def config(self) -> type[Config]:
        """The chapter's config class."""
        found: type[Config] = getattr(self.part("config"), self.config_name)
        return found

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """The tables of the chapter's evaluation (:class:`core.runs.tables.Table`) by name; none if it has none."""
        package = self.package or f"core.chapters.{self.name}"
        if importlib.util.find_spec(f"{package}.tables") is None:
            return {}
        found: Mapping[str, Any] = self.part("tables").TABLES
        return found


EXPERIMENTS: dict[str, Experiment] = {}


def register(entry: Experiment) -> Experiment:
    """Add a chapter to the end of the registry and return its entry; ConfigError if the name is taken."""
    if entry.name in EXPERIMENTS:
        raise ConfigError(f"there is an experiment {entry.name!r} already", "Choose another name")
    EXPERIMENTS[entry.name] = entry
    return entry


register(
    Experiment(
        name="classifier",
        title="Digit classifier",
        question="How well does a small network read digits, and which ones does it still get wrong?",
        group="Networks",
        config_name="ClassifierConfig",
        icon=":material/looks_5:",
        headline="test_accuracy",
        headline_label="test accuracy",
        headline_format=".2%",
        in_words="Share of the digits it never saw that it reads correctly.",
        report="97.69 % (validation)",
    )
)
register(
    Experiment(
        name="vae",
        title="Variational autoencoder",
        question="What does a network learn when it must describe a digit in a few numbers and draw it again?",
        group="Variational models",
        config_name="VAEConfig",
        icon=":material/blur_on:",
        headline="test_elbo_nats",
        headline_label="test ELBO (nats)",
        headline_format=",.2f",
        in_words="Bound of an unseen digit's log-probability; higher is better.",
        report="−189.04 (log p itself)",
    )
)
register(
    Experiment(
        name="latent_vae",
        title="Per-image latents",
        question="Who estimates q(z|x) better: an encoder for all images, or every image for itself?",
        group="Variational models",
        config_name="LatentVAEConfig",
        icon=":material/fingerprint:",
        headline="train_log_prob_nats",
        headline_label="training log p(x), nats",
        headline_format=",.2f",
        in_words="Mean log-probability of a digit it was trained on; higher is better.",
    )
)
register(
    Experiment(
        name="log_probability",
        title="Log-probability",
        question="Which digit does the model find most probable, and why?",
        group="Variational models",
        config_name="LogProbabilityConfig",
        icon=":material/bar_chart:",
        headline="test_log_prob_nats",
        headline_label="test log p(x), nats",
        headline_format=",.2f",
        in_words="Mean log-probability of an unseen digit; higher is better.",
        report="−189.04",
    )
)
register(
    Experiment(
        name="gan_2d",
        title="2-D GAN",
        question="What does a generator follow, what does its discriminator see, and when do they fail each other?",
        group="Adversarial models",
        config_name="GAN2DConfig",
        icon=":material/scatter_plot:",
        headline="js_mean",
        headline_label="JS divergence (nats)",
        headline_format=".3f",
        in_words="Distance between drawn and real points: 0 for equal sets, 0.693 for disjoint ones.",
    )
)


def experiment(name: str) -> Experiment:
    """Return the experiment of that name, or raise ConfigError naming the known ones."""
    try:
        return EXPERIMENTS[name]
    except KeyError:
        known = ", ".join(EXPERIMENTS)
        raise ConfigError(f"there is no experiment {name[:60]!r}", f"The experiments are: {known}") from None
