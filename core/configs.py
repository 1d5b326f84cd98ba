"""The experiments: their configs and the registry.

One entry costs a chapter its title, question, config and module name. Imports no torch: the module
named by an entry is imported only when something is trained or probed.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from core.data.points import OWN, SHAPES, decode
from core.errors import ConfigError
from core.options import Config, option


@dataclass(frozen=True)
class ClassifierConfig(Config):
    """A small convolutional classifier of 28 x 28 images; the defaults are the recipe for MNIST."""

    epochs: int = option(15, "passes over the training data", low=1, high=200)
    width: int = option(16, "channels of the first convolution; later ones have 2 and 4 times as many", low=2, high=128)
    learning_rate: float = option(0.003, "highest rate of AdamW, after the warm-up", low=1e-6, high=1.0, scale="log")
    batch_size: int = option(128, "images in a batch", low=8, high=4096, scale="log")
    shift: int = option(2, "images are shifted by up to this much in training", low=0, high=6, unit="pixels")
    flip: bool = option(False, "mirror half of the images in training: for clothes, never for digits")
    erase: int = option(0, "side of a random square blanked in training (Cutout)", low=0, high=16, unit="pixels")
    averaging: float = option(
        0.998, "memory of the averaged weights per step; 0 takes the latest", low=0.0, high=0.9999, advanced=True
    )
    weight_decay: float = option(1e-4, "decay of the weights per step and rate", low=0.0, high=1.0, advanced=True)
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes (arXiv:1512.00567)", low=0.0, high=0.5, advanced=True
    )
    dropout: float = option(0.0, "share of features dropped before the last layer", low=0.0, high=0.9, advanced=True)
    warmup: float = option(0.3, "rising rate at the start", low=0.0, high=10.0, unit="epochs", advanced=True)
    precision: str = option(
        "auto",
        "arithmetic of the training; auto takes bfloat16 where the processor has it",
        choices=("auto", "float32", "bfloat16"),
        advanced=True,
    )


@dataclass(frozen=True)
class VAEConfig(Config):
    """An amortised variational autoencoder (Kingma and Welling, arXiv:1312.6114)."""

    epochs: int = option(30, "passes over the training data", low=1, high=500)
    latent_dim: int = option(20, "dimensions of z", low=1, high=128)
    likelihood: str = option("gaussian", "distribution of a pixel given z", choices=("gaussian", "bernoulli"))
    sigma: float = option(0.4, "standard deviation of the Gaussian likelihood", low=0.01, high=10.0, scale="log")
    learning_rate: float = option(0.0015, "highest rate of Adam, after the warm-up", low=1e-6, high=1.0, scale="log")
    batch_size: int = option(200, "images in a batch", low=8, high=4096, scale="log")
    network: str = option(
        "dense",
        "layers of encoder and decoder: dense ones, or a dense one and two convolutions",
        choices=("dense", "convolutional"),
        advanced=True,
    )
    width: int = option(512, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    depth: int = option(2, "hidden layers of a dense encoder, and of its decoder", low=1, high=4, advanced=True)
    activation: str = option(
        "gelu", "activation of the hidden layers", choices=("relu", "elu", "gelu", "silu", "tanh"), advanced=True
    )
    warmup: float = option(1.0, "rising rate at the start", low=0.0, high=50.0, unit="epochs", advanced=True)
    averaging: float = option(
        0.999, "memory of the averaged weights per step; 0 takes the latest", low=0.0, high=0.9999, advanced=True
    )
    kl_weight: float = option(1.0, "weight of the KL term; 1 is the bound", low=0.0, high=100.0, advanced=True)
    kl_warmup: float = option(
        0.0, "the KL term's weight rises from 0 over this time", low=0.0, high=500.0, unit="epochs", advanced=True
    )
    binarise: bool = option(
        False, "train on black and white images, drawn anew each epoch from the grey values", advanced=True
    )


@dataclass(frozen=True)
class LatentVAEConfig(VAEConfig):
    """A decoder with a mean and a log-variance per training image, beside an amortised twin of the same decoder."""

    width: int = option(512, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    start: str = option(
        "pca",
        "where latents start: draws of N(0, I), principal components, or the encoder's values after an epoch",
        choices=("normal", "pca", "encoder"),
    )
    latent_rate: float = option(0.05, "highest rate of the latents' Adam", low=1e-5, high=1.0, scale="log")
    latent_steps: int = option(2, "updates of an image's latents at each visit", low=1, high=50)
    kept_images: int = option(
        1000, "training images whose latents are kept with the run", low=20, high=5000, advanced=True
    )
    samples: int = option(
        1000, "samples of z per image when log p(x) is measured", low=2, high=5000, scale="log", advanced=True
    )
    refine_steps: int = option(
        400, "steps of refining each image's posterior, to split the slack", low=1, high=5000, advanced=True
    )


@dataclass(frozen=True)
class LogProbabilityConfig(VAEConfig):
    """A variational autoencoder whose log p(x) is measured image by image (Burda et al., arXiv:1509.00519)."""

    width: int = option(768, "neurons in each dense hidden layer", low=8, high=2048, scale="log", advanced=True)
    samples: int = option(1000, "samples of z per image when log p(x) is measured", low=2, high=5000, scale="log")
    iwae_epochs: int = option(
        0, "how many of the epochs, the last ones, train a copy on the importance-weighted bound", low=0, high=1000
    )
    iwae_samples: int = option(10, "samples per image of the importance-weighted bound", low=2, high=100, advanced=True)
    keep_plain: bool = option(
        True, "keep and measure the model from before the importance-weighted epochs as well", advanced=True
    )
    iwae_rate: float = option(
        0.0005, "highest rate on the importance-weighted bound", low=1e-6, high=1.0, scale="log", advanced=True
    )
    train_images: int = option(
        10_000, "training images whose log p(x) is measured, evenly spaced", low=20, high=60_000, advanced=True
    )
    validation_images: int = option(
        5000, "validation images whose log p(x) is measured, evenly spaced", low=20, high=5000, advanced=True
    )
    ais_images: int = option(
        5, "images of each class checked by annealed importance sampling", low=0, high=50, advanced=True
    )
    ais_temperatures: int = option(
        500, "temperatures of annealed importance sampling", low=1, high=10_000, scale="log", advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iwae_epochs >= self.epochs:
            raise ConfigError(
                f"iwae_epochs = {self.iwae_epochs} leaves no epoch of the {self.epochs} for the plain bound",
                "Give fewer than epochs",
            )


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
    penalty: float = option(
        1.0, "weight of the gradient penalty (Wasserstein only)", low=0.0, high=100.0, advanced=True
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
    points: str = option("", "your own points, as the page's drawing canvas writes them", advanced=True)
    jitter: float = option(0.01, "noise around your own points, in sides of the square", low=0, high=0.1, advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data == OWN or self.points:
            decode(self.points)

    @property
    def steps(self) -> int:
        """Training steps of the whole run."""
        return self.epochs * self.steps_per_frame


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
        Experiment(
            name="latent_vae",
            title="Per-image latents",
            question="Who estimates q(z|x) better: an encoder for all images, or every image for itself?",
            group="Variational models",
            config=LatentVAEConfig,
            icon=":material/fingerprint:",
            headline="train_log_prob_nats",
            headline_label="training log p(x), nats",
            headline_format=",.2f",
        ),
        Experiment(
            name="log_probability",
            title="Log-probability",
            question="Which digit does the model find most probable, and why?",
            group="Variational models",
            config=LogProbabilityConfig,
            icon=":material/bar_chart:",
            headline="test_log_prob_nats",
            headline_label="test log p(x), nats",
            headline_format=",.2f",
        ),
        Experiment(
            name="gan_2d",
            title="2-D GAN",
            question="What does a generator follow, what does its discriminator see, and when do they fail each other?",
            group="Adversarial models",
            config=GAN2DConfig,
            icon=":material/scatter_plot:",
            headline="js_mean",
            headline_label="JS divergence (nats), mean of 10 seeds",
            headline_format=".3f",
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
