"""Live training of the 2-D GAN: play, step either network alone, go back, branch. The page's laboratory.

A :class:`Live` training belongs to one reader. It films as it goes and keeps exact states in memory, so that it can
continue from any frame it has filmed, or from any frame of a recorded run, exactly as the original did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from core.chapters.gan_2d.camera import Camera
from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.film import Film
from core.chapters.gan_2d.trainer import NETWORKS, Trainer
from core.errors import ConfigError, RunError

MOST_FRAMES = 1000  # a longer film is thinned to every second frame: some 6 MB at most
STATE_BYTES = 16_000_000
# What a branch takes over from the recording: the points, the noise and the shapes of the networks.
TAKEN_OVER = (
    *("data", "points", "jitter", "seed", "n_points", "noise", "noise_dim", "packing"),
    *("g_layers", "g_neurons", "d_layers", "d_neurons", "d_features", "activation"),
)

Measures = Mapping[str, float]


class Live:
    """One configuration in training, from its beginning.

    Parameters
    ----------
    config
        What is trained; its seed decides everything else. A frame is filmed every ``config.steps_per_frame`` steps.
    """

    def __init__(self, config: GAN2DConfig) -> None:
        self.config = config
        self.every = config.steps_per_frame
        self.trainer = Trainer(config, [config.seed])
        self.camera = Camera(self.trainer)
        self.film: Film = self.camera.film()
        self.rows: list[Measures] = []
        self.step = 0
        self.version = 0  # rises whenever frames already filmed are forgotten
        self.owed = 0  # steps to take again, unfilmed, before the training is where its last frame is
        self._replayed = self.trainer  # who takes them: the recorded configuration, which may be another
        self._states: dict[int, Mapping[str, Tensor]] = {}  # by frame
        self._by_hand: set[int] = set()  # frames that plain steps from the frame before do not lead to
        self._terms: dict[str, list[float]] = {}  # of the updates since the last frame
        self._record()

    @property
    def first(self) -> int:
        """The earliest frame that :meth:`rewind` can go back to; frames before it belong to the recorded run."""
        return min(self._states, default=len(self.film) - 1)

    def advance(self, seconds: float, most_steps: int = 10_000) -> int:
        """Train for about ``seconds``, filming where a frame is due; return the steps taken, owed ones included."""
        end, taken = time.monotonic() + seconds, 0
        while taken < most_steps and (taken == 0 or time.monotonic() < end):
            self.plain_step()
            taken += 1
        return taken

    def plain_step(self) -> None:
        """Take one step, an owed one if there is any; film it where a frame is due."""
        if self.owed:
            self._replayed.step()
            self.owed -= 1
            if not self.owed:
                self._arrive()
            return
        self._note(self.trainer.step())
        self.step += 1
        if self.step % self.every == 0:
            self._record()

    def settle(self) -> None:
        """Take all owed steps."""
        while self.owed:
            self.plain_step()

    def step_discriminator(self) -> None:
        """Update the discriminator once and film it; the generator stays as it is."""
        self._step_by_hand(self.trainer.update_discriminator)

    def step_generator(self) -> None:
        """Update the generator once and film it; the discriminator stays as it is."""
        self._step_by_hand(self.trainer.update_generator)

    def step_both(self) -> None:
        """Take one whole step and film it."""
        self._step_by_hand(self.trainer.step, steps=1)

    def rewind(self, frame: int) -> None:
        """Forget what came after a frame and continue from it, exactly as before.

        The nearest state before it is loaded; the steps in between are owed, and taken as the training goes on.

        Raises
        ------
        RunError
            If there is no such frame, or it belongs to the recorded run that this training branched from.
        """
        if not self.first <= frame < len(self.film):
            raise RunError(f"there is no live frame {frame}", f"Give one from {self.first} to {len(self.film) - 1}")
        start = max(index for index in self._states if index <= frame)
        self.trainer.load_state(self._states[start])
        self._replayed = self.trainer
        self.step, self._terms = self.film.steps[frame], {}
        self.owed = self.step - self.film.steps[start]
        self.film.cut(frame + 1)
        del self.rows[frame + 1 :]
        self._states = {index: state for index, state in self._states.items() if index <= frame}
        self._by_hand = {index for index in self._by_hand if index <= frame}
        self.version += 1

    def take_over(self, recorded: Trainer, owed: int, film: Film, rows: Sequence[Measures]) -> None:
        """Continue a recorded training whose state lies ``owed`` steps before the last frame of ``film``.

        Raises
        ------
        ConfigError
            If this configuration needs other networks, data or noise than those recorded.
        """
        for name in TAKEN_OVER:
            old = getattr(recorded.config, name)
            if getattr(self.config, name) != old:
                shown = "as in the recording" if name == "points" else f"to {old!r} as in the recording"
                raise ConfigError(f"a branch cannot change {name}", f"Set it {shown}, or start from the beginning")
        self.film, self.rows = film, list(rows)
        self.step, self._terms = film.steps[-1], {}
        self._replayed, self.owed = recorded, owed
        self._states, self._by_hand = {}, set()
        self.version += 1
        if not owed:
            self._arrive()

    def _arrive(self) -> None:
        """Be where the last frame is: all owed steps have been taken."""
        if self._replayed is not self.trainer:
            state = self._replayed.state()
            for network in NETWORKS:  # another optimiser cannot read these moments: it starts with none
                name = f"{network[0]}_optimizer"
                if getattr(self.config, name) != getattr(self._replayed.config, name):
                    state = {key: v for key, v in state.items() if not key.startswith(f"optimizer.{network}.")}
            self.trainer.load_state(state)
            self.trainer.set_clock(self.step)
            self._replayed = self.trainer
        self._states[len(self.film) - 1] = self.trainer.state()

    def _step_by_hand(self, update: Callable[[], Mapping[str, Tensor]], steps: int = 0) -> None:
        self.settle()
        self._terms = {}
        self._note(update())
        self.step += steps
        self._record()
        self._by_hand.add(len(self.film) - 1)

    def _note(self, terms: Mapping[str, Tensor]) -> None:
        for name, value in terms.items():
            self._terms.setdefault(f"train_{name}", []).append(float(value[0]))

    def _record(self) -> None:
        """Film, measure and keep the state as it is."""
        if len(self.film) >= MOST_FRAMES:
            self._thin()
        self.film.add(self.step, self.camera.frame())
        means = {name: sum(values) / len(values) for name, values in self._terms.items()}
        self.rows.append({**means, **self.camera.measures()})
        self._terms = {}
        self._states[len(self.film) - 1] = self.trainer.state()
        self._drop_states()

    def _thin(self) -> None:
        """Keep every second frame and those stepped by hand, and film half as often."""
        keep = [i for i in range(len(self.film)) if i % 2 == 0 or i in self._by_hand]
        place = {old: new for new, old in enumerate(keep)}
        self.film.steps = [self.film.steps[i] for i in keep]
        self.film.frames = [self.film.frames[i] for i in keep]
        self.rows = [self.rows[i] for i in keep]
        self._states = {place[i]: state for i, state in self._states.items() if i in place}
        self._by_hand = {place[i] for i in self._by_hand}
        self.every *= 2
        self.version += 1

    def _drop_states(self) -> None:
        """Where states take too much room, forget every second one that plain steps lead to again."""
        newest = max(self._states)
        size = sum(tensor.nbytes for tensor in self._states[newest].values())
        if len(self._states) * size > STATE_BYTES:
            for index in [i for i in sorted(self._states) if i not in self._by_hand and self.first < i < newest][::2]:
                del self._states[index]
