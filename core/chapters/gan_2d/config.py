"""The configuration of the 2-D GAN."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.points import OWN, SHAPES, decode
from core.options import Config, option


@dataclass(frozen=True)
class GAN2DConfig(Config):
    """Two small networks on points of the plane (Goodfellow et al., arXiv:1406.2661), one row an option of the page.

    One "epoch" of the common loop is one recorded frame of ``steps_per_frame`` steps; a step is ``d_steps``
    updates of the discriminator, then ``g_steps`` of the generator.
    """

    data: str = option("parabola", "distribution of the real points", choices=(*SHAPES, OWN))
    epochs: int = option(100, "recorded frames", low=1, high=1000)
    loss: str = option(
        "non-saturating", "loss of both networks", choices=("non-saturating", "least-squares", "wasserstein")
    )
    noise: str = option("uniform", "distribution of the generator's noise", choices=("uniform", "normal"))
    noise_dim: int = option(2, "dimensions of the noise", low=1, high=2)
    g_layers: int = option(2, "hidden layers of the generator", low=1, high=4)
    g_neurons: int = option(32, "neurons in each hidden layer of the generator", low=1, high=256)
    d_layers: int = option(2, "hidden layers of the discriminator", low=1, high=4)
    d_neurons: int = option(32, "neurons in each hidden layer of the discriminator", low=1, high=256)
    g_steps: int = option(1, "generator updates in a step", low=1, high=10)
    d_steps: int = option(1, "discriminator updates in a step", low=1, high=10)
    g_optimizer: str = option("adam", "optimiser of the generator", choices=("adam", "rmsprop", "sgd"))
    d_optimizer: str = option("adam", "optimiser of the discriminator", choices=("adam", "rmsprop", "sgd"))
    g_rate: float = option(0.001, "learning rate of the generator", low=1e-6, high=1.0, scale="log")
    d_rate: float = option(0.005, "learning rate of the discriminator", low=1e-6, high=1.0, scale="log")
    packing: int = option(1, "points the discriminator judges together (PacGAN)", low=1, high=4)
    steps_per_frame: int = option(30, "training steps between two recorded frames", low=1, high=1000, advanced=True)
    batch_size: int = option(256, "points in a batch", low=4, high=2048, advanced=True)
    n_points: int = option(10_000, "real points to learn from", low=10, high=100_000, advanced=True)
    gp_weight: float = option(
        1.0,
        "weight of the gradient penalty",
        low=0.0,
        high=100.0,
        advanced=True,
        when=("loss", "wasserstein"),
        formerly="penalty",
    )
    activation: str = option(
        "relu", "activation of the hidden layers", choices=("relu", "leaky", "tanh", "silu"), advanced=True
    )
    d_features: int = option(
        0, "random sines and cosines given to the discriminator beside x and y", low=0, high=128, advanced=True
    )
    beta1: float = option(0.0, "Adam's memory of the gradient", low=0.0, high=0.999, advanced=True)
    beta2: float = option(0.999, "Adam's memory of the squared gradient", low=0.0, high=0.9999, advanced=True)
    decay: bool = option(True, "let both rates fall along a cosine over the run", advanced=True)
    trials: int = option(1, "seeds trained beside each other, from the run's own on", low=1, high=10, advanced=True)
    points: str = option(
        "", "your own points, as the page's drawing canvas writes them", advanced=True, when=("data", OWN)
    )
    jitter: float = option(
        0.01,
        "noise around your own points, in sides of the square",
        low=0,
        high=0.1,
        advanced=True,
        when=("data", OWN),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data == OWN or self.points:
            decode(self.points)

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        return self.epochs * self.steps_per_frame
