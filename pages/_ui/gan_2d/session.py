"""A live training of the 2-D GAN between two runs of the page's script: what is trained, and what was sent of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages._ui.controls import links
from pages._ui.gan_2d import player as gan_player

if TYPE_CHECKING:
    from core.chapters.gan_2d.live import Live

OVERLAP = 3  # messages to the player that each one repeats


@dataclass
class Lab:
    """What a reader's session keeps: the trainings, whether they run, and what the player has been sent.

    A click starts the script again while the last run of it may still be training: ``lock`` keeps the two apart.
    """

    signature: object
    lives: list[Live]
    serial: int
    playing: bool = False
    sent: deque[int] = field(default_factory=lambda: deque([0], OVERLAP + 1))  # frames there were after each message
    sent_name: str = ""
    titles: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Changes whenever frames that the player holds become wrong."""
        return f"lab{self.serial}.{sum(live.version for live in self.lives)}"

    def advance(self, seconds: float) -> None:
        """Train for about so long or until it is paused, all configurations in step."""
        end = time.monotonic() + seconds
        with self.lock:
            while self.playing and time.monotonic() < end:
                for live in self.lives:
                    live.plain_step()

    def resend(self, said: object) -> None:
        """Take the player's word for what it has: the next message begins there."""
        has = said.get("has") if isinstance(said, Mapping) and said.get("id") == self.sent_name else 0
        self._sent_only(has if type(has) is int and 0 <= has <= len(self.lives[0].film) else 0)

    def payload(self, panes: Sequence[gan_player.Pane]) -> bytes:
        """Return what the player may lack; everything where it cannot know the rest.

        A busy browser skips messages: each repeats the frames of the ones before it, and the player asks for more.
        """
        if self.sent_name != self.name:
            self._sent_only(0)
        first = self.sent[0]
        self.sent.append(min(len(live.film) for live in self.lives))
        self.sent_name = self.name
        return gan_player.bundle(
            panes,
            name=self.name,
            first=first,
            live=True,
            layers=gan_player.parse_layers(links.get("layers", gan_player.SHOWN_LAYERS)),
            speed=20,
        )

    def _sent_only(self, frames: int) -> None:
        self.sent.clear()
        self.sent.append(frames)
