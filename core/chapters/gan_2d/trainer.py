"""Training of the 2-D GAN, one update at a time.

The page steps the discriminator alone, the generator alone or both, so the two networks have separate
clocks, and the random numbers of an update are a function of (seed, network, number of the update) alone.
Hence the state between two updates is the weights, the optimisers' moments and two counts; whoever has
them continues exactly as the original did, in pieces of any size. Draws come from numpy, whose streams
are the same on every machine.

Always on the CPU: an update is a few dozen tiny kernels, which a GPU only delays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.layers import gain_of
from core.chapters.gan_2d.losses import between, discriminator_loss, generator_loss, penalty, slopes, to_level
from core.chapters.gan_2d.model import Discriminator, Generator
from core.data.points import Distribution, distribution
from core.errors import RunError
from core.training.loop import seeded
from core.training.schedules import set_rate, warmup_cosine
from core.training.weights import optimizer_state, restore_optimizer

DISCRIMINATOR, GENERATOR = "discriminator", "generator"
NETWORKS = (DISCRIMINATOR, GENERATOR)
STREAMS = {"points": 0, DISCRIMINATOR: 1, GENERATOR: 2, "held-out": 3, "demo": 4}
BLOCK = 32  # updates whose random numbers are drawn in one call
CENTRING = 600  # points that a critic's surface is centred with; whole packs of 1 to 4
FINAL_RATE = 0.02  # of the initial rate, where rates decay


def stream(seed: int, name: str, block: int = 0) -> np.random.Generator:
    """Return numpy's generator for one purpose of one seed."""
    return np.random.default_rng([seed, STREAMS[name], block])


def noise(config: GAN2DConfig, rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return noise, float32 of the given shape with noise_dim appended: standard normal, or uniform on [-1, 1]."""
    full = (*shape, config.noise_dim)
    if config.noise == "normal":
        return rng.standard_normal(full, dtype=np.float32)
    return rng.random(full, dtype=np.float32) * 2 - 1


@dataclass(frozen=True)
class Draw:
    """Random numbers of one update: noise (S, n, noise_dim), rows of real points (S, n), mixing weights (S, packs)."""

    noise: Tensor
    rows: Tensor
    mix: Tensor


@dataclass
class Draws:
    """The random numbers of one network's updates, for every seed."""

    config: GAN2DConfig
    seeds: Sequence[int]
    network: str
    n_real: int
    _block: int = field(default=-1, init=False)
    _made: list[Draw] = field(default_factory=list, init=False)

    @property
    def batch(self) -> int:
        """Points in a batch: the configured size, cut to whole packs."""
        packing = self.config.packing
        return max(packing, self.config.batch_size // packing * packing)

    def of(self, update: int) -> Draw:
        """Return the draws of one update."""
        block, index = divmod(update, BLOCK)
        if block != self._block:
            self._made, self._block = self._draw(block), block
        return self._made[index]

    def _draw(self, block: int) -> list[Draw]:
        n, parts = self.batch, []
        for seed in self.seeds:
            rng = stream(seed, self.network, block)
            rows = rng.integers(self.n_real, size=(BLOCK, n))
            mix = rng.random((BLOCK, n // self.config.packing), dtype=np.float32)
            parts.append((noise(self.config, rng, BLOCK, n), rows, mix))
        stacked = [torch.from_numpy(np.stack(one, axis=1)) for one in zip(*parts, strict=True)]  # (BLOCK, S, ...)
        return [Draw(*one) for one in zip(*stacked, strict=True)]


def make_optimizer(config: GAN2DConfig, name: str, rate: float, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of one network."""
    if name == "adam":
        betas = (config.beta1, config.beta2)
        return torch.optim.Adam(module.parameters(), lr=rate, betas=betas, fused=True)
    if name == "rmsprop":
        return torch.optim.RMSprop(module.parameters(), lr=rate)
    return torch.optim.SGD(module.parameters(), lr=rate)


class Trainer:
    """The two networks of one configuration, for one seed or several at once.

    Parameters
    ----------
    config
        What to train; ``config.seed`` is not read, ``seeds`` is.
    seeds
        Each seed has its own draw of real points, initialisation and batches.
    """

    def __init__(self, config: GAN2DConfig, seeds: Sequence[int]) -> None:
        self.config = config
        self.seeds = tuple(seeds)
        self.source: Distribution = distribution(config.data, config.points, config.jitter)
        draws = [self.source.sample(config.n_points, stream(seed, "points")) for seed in self.seeds]
        self.real = torch.from_numpy(np.stack(draws).astype(np.float32))  # (S, n_points, 2)
        self.generator, self.discriminator = build(config, self.seeds)
        self.optimizers = {
            DISCRIMINATOR: make_optimizer(config, config.d_optimizer, config.d_rate, self.discriminator),
            GENERATOR: make_optimizer(config, config.g_optimizer, config.g_rate, self.generator),
        }
        self.updates = dict.fromkeys(NETWORKS, 0)
        self.draws = {name: Draws(config, self.seeds, name, config.n_points) for name in NETWORKS}
        self._picked = torch.arange(len(self.seeds))[:, None]

    def networks(self) -> dict[str, nn.Module]:
        """Return both networks by name."""
        return {DISCRIMINATOR: self.discriminator, GENERATOR: self.generator}

    def set_clock(self, step: int) -> None:
        """Take ``step`` whole steps as done: what the networks' next random numbers and rates follow from."""
        self.updates = {DISCRIMINATOR: step * self.config.d_steps, GENERATOR: step * self.config.g_steps}

    def update_discriminator(self) -> dict[str, Tensor]:
        """Update the discriminator once; the generator is left as it is. Return loss terms, each (S,)."""
        config, draw = self.config, self._advance(DISCRIMINATOR)
        real = self.real[self._picked, draw.rows]  # (S, n, 2)
        with torch.no_grad():
            fake = self.generator(draw.noise)
        packs = draw.mix.shape[-1]
        # Real, generated and in-between points go through the network in one call: fewer, larger kernels.
        points = [real, fake]
        if config.loss == "wasserstein":
            middle = between(real, fake, draw.mix, config.packing).requires_grad_()
            points.append(middle)
        values = self.discriminator(torch.cat(points, dim=1))
        loss = discriminator_loss(config.loss, values[:, :packs], values[:, packs : 2 * packs]).mean(1)  # (S,)
        terms = {"d_loss": loss.detach()}
        if config.loss == "wasserstein":
            lengths = slopes(values[:, 2 * packs :], middle)
            cost = penalty(lengths).mean(1)
            terms |= {"penalty": cost.detach(), "slope": lengths.detach().mean(1)}
            loss = loss + config.gp_weight * cost
        self._apply(DISCRIMINATOR, loss)
        return terms

    def update_generator(self) -> dict[str, Tensor]:
        """Update the generator once; the discriminator is left as it is. Return loss terms, each (S,)."""
        draw = self._advance(GENERATOR)
        loss = generator_loss(self.config.loss, self.discriminator(self.generator(draw.noise))).mean(1)
        self._apply(GENERATOR, loss)
        return {"g_loss": loss.detach()}

    def step(self) -> dict[str, Tensor]:
        """Do one step of training: the discriminator's updates, then the generator's. Return the last terms."""
        terms: dict[str, Tensor] = {}
        for _ in range(self.config.d_steps):
            terms |= self.update_discriminator()
        for _ in range(self.config.g_steps):
            terms |= self.update_generator()
        return terms

    def _advance(self, network: str) -> Draw:
        """Count an update, set its rate and return its draws."""
        config, count = self.config, self.updates[network]
        rate, per_step = {
            DISCRIMINATOR: (config.d_rate, config.d_steps),
            GENERATOR: (config.g_rate, config.g_steps),
        }[network]
        if config.decay:
            rate *= warmup_cosine(count, config.steps * per_step, floor=FINAL_RATE)
        set_rate(self.optimizers[network], rate)
        self.updates[network] = count + 1
        return self.draws[network].of(count)

    def _apply(self, network: str, loss: Tensor) -> None:
        """Update one network along the gradient of its loss; the sum over seeds keeps their gradients apart."""
        parameters = list(self.networks()[network].parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss.sum(), parameters), strict=True):
            parameter.grad = gradient.contiguous()  # the fused optimiser reads memory as if laid out like the weights
        self.optimizers[network].step()

    def state(self) -> dict[str, Tensor]:
        """Return a copy of everything that continuing exactly needs."""
        tensors = {f"updates.{name}": torch.tensor(count) for name, count in self.updates.items()}
        for name, module in self.networks().items():
            tensors |= {f"module.{name}.{k}": v.detach().clone() for k, v in module.state_dict().items()}
            tensors |= optimizer_state(self.optimizers[name], f"optimizer.{name}.")
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go to a state that :meth:`state` returned; RunError if it is of other networks."""
        try:
            counts = {name: int(tensors[f"updates.{name}"]) for name in NETWORKS}
            for name, module in self.networks().items():
                start = f"module.{name}."
                module.load_state_dict({k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)})
            for name, optimizer in self.optimizers.items():
                restore_optimizer(optimizer, tensors, f"optimizer.{name}.")
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise RunError(f"a recorded state does not fit ({str(error)[:120]})", "Train this run again") from None
        self.updates = counts

    def logits(self, points: Tensor, companions: int = 8) -> Tensor:
        """Return the first seed's discriminator output at ``points`` (n, 2), shape (n,).

        With packing a point is judged in company: the output is averaged over ``companions`` packs filled up
        with real points. A critic is centred on the middle between its means on real and on generated points,
        because its constant means nothing.
        """
        others = self.config.packing - 1
        company = torch.arange(companions * others) % self.real.shape[1]
        rows = self.real[0, company].reshape(companions if others else 1, 1, others, 2)
        packs = torch.cat([points[None, :, None].expand(len(rows), -1, 1, 2), rows.expand(-1, len(points), -1, 2)], 2)
        values = self._first(packs.reshape(-1, 2)).reshape(len(rows), -1).mean(0)
        if self.config.loss != "wasserstein":
            return values
        z = torch.from_numpy(noise(self.config, stream(self.seeds[0], "demo"), CENTRING))
        real = self.real[0, torch.arange(CENTRING) % self.real.shape[1]]
        return values - 0.5 * (self._first(real).mean() + self._first(self.first_generator(z)).mean())

    def field(self, points: Tensor) -> Tensor:
        """Return the decision field at ``points`` (n, 2) as levels in [0, 1], 0.5 undecided, shape (n,)."""
        with torch.no_grad():
            return to_level(self.config.loss, self.logits(points))

    def arrows(self, points: Tensor) -> Tensor:
        """Return where the generator's loss would move each of ``points`` (n, 2): minus its gradient, shape (n, 2)."""
        with torch.inference_mode(False), torch.enable_grad():  # the common loop measures without gradients
            points = points.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(generator_loss(self.config.loss, self._first(points)).sum(), points)
        return -gradient

    def first_generator(self, z: Tensor) -> Tensor:
        """Return the first seed's points (n, 2) for noise (n, noise_dim)."""
        points: Tensor = self.generator(z)[0]
        return points

    def _first(self, points: Tensor) -> Tensor:
        values: Tensor = self.discriminator(points)[0]
        return values


def build(config: GAN2DConfig, seeds: Sequence[int]) -> tuple[Generator, Discriminator]:
    """Return freshly initialised networks for the seeds."""
    generator = Generator(
        config.noise_dim, config.g_layers, config.g_neurons, config.activation, [seeded(s, "init", 0) for s in seeds]
    )
    discriminator = Discriminator(
        config.packing,
        config.d_layers,
        config.d_neurons,
        config.activation,
        [seeded(s, "init", 1) for s in seeds],
        features=config.d_features,
        gain=gain_of(config.loss),
    )
    return generator, discriminator
