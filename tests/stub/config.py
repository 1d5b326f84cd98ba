"""The tiny chapter's configuration."""

from dataclasses import dataclass

from core.options import Config, option


@dataclass(frozen=True)
class StubConfig(Config):
    """A small regression."""

    learning_rate: float = option(0.01, "rate of both optimisers", low=1e-6, high=1.0, scale="log")
