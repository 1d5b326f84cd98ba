"""The experiments: their configs and the registry.

One entry costs a chapter its title, question, config and module name. Imports no torch: the module
named by an entry is imported only when something is trained or probed.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from core.errors import ConfigError
from core.options import Config, option


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """A small convolutional classifier of 28 x 28 images."""

    epochs: int = option(15, "passes over the training data", low=1, high=200)


@dataclass(frozen=True)
class VAEConfig(Config):
    """An amortised variational autoencoder (Kingma and Welling, arXiv:1312.6114)."""

    epochs: int = option(30, "passes over the training data", low=1, high=500)


@dataclass(frozen=True)
class Experiment:
    """One chapter's experiment: what the registry knows without importing torch.

    ``headline`` names the metric on the home card and ``headline_label`` what it says, with its unit;
    ``headline_format`` is a format specification such as ``".2%"``.
    """

    name: str
    title: str
    question: str
    group: str
    config: type[Config]
    icon: str
    headline: str
    headline_label: str
    headline_format: str

    @property
    def module(self) -> str:
        """Dotted name of the module with ``train`` and ``evaluate``."""
        return f"core.experiments.{self.name}"

    def load(self) -> ModuleType:
        """Import and return the module (this imports torch)."""
        return importlib.import_module(self.module)


EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        Experiment(
            name="classifier",
            title="Digit classifier",
            question="How well does a small network read digits, and which ones does it still get wrong?",
            group="Networks",
            config=ClassifierConfig,
            icon=":material/looks_5:",
            headline="test_accuracy",
            headline_label="test accuracy",
            headline_format=".2%",
        ),
        Experiment(
            name="vae",
            title="Variational autoencoder",
            question="What does a network learn when it must describe a digit in a few numbers and draw it again?",
            group="Variational models",
            config=VAEConfig,
            icon=":material/blur_on:",
            headline="test_elbo_nats",
            headline_label="test ELBO (nats)",
            headline_format=",.2f",
        ),
    )
}


def experiment(name: str) -> Experiment:
    """Return the experiment of that name, or raise ConfigError naming the known ones."""
    try:
        return EXPERIMENTS[name]
    except KeyError:
        known = ", ".join(EXPERIMENTS)
        raise ConfigError(f"there is no experiment {name[:60]!r}", f"The experiments are: {known}") from None
