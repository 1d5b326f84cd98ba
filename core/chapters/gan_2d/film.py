"""The film of a 2-D GAN: everything its picture shows, frame by frame, small enough to live in the browser.

A film is one safetensors file (``frames.safetensors`` in a run), which the page's player reads as it stands:

===========  =========  ===============  ==========================================================
tensor       type       shape            what
===========  =========  ===============  ==========================================================
real         uint16     (r, 2)           real points
field        uint8      (t, 40, 40)      decision field, row by row from y = 0; 0 generated, 255 real
points       uint16     (t, n, 2)        generated points
arrows       float16    (t, n, 2)        minus the gradient of the generator's loss at those points
manifold     uint16     (t, m, 2)        where a regular lattice of the noise lands
===========  =========  ===============  ==========================================================

Coordinates are whole steps of 1 / 32767.5 of the square's side, from half a side outside it to half a side
beyond. Reading and writing a film needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as to_bytes

from core.errors import RunError
from core.runs.files import parse_json, read_inside, reason, write_bytes

FILE = "frames.safetensors"
FIELD_SIZE = 40
SHOWN = 300  # generated points; whole packs for every packing
SHOWN_REAL = 500
LATTICE = 21
LOW, HIGH = -0.5, 1.5
LEVELS = 65535
MOST_BYTES = 64 << 20

SHAPES: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "field": (np.uint8, (FIELD_SIZE, FIELD_SIZE)),
    "points": (np.uint16, (SHOWN, 2)),
    "arrows": (np.float16, (SHOWN, 2)),
    "manifold": (np.uint16, (LATTICE * LATTICE, 2)),
}

Frame = Mapping[str, NDArray[Any]]


def to_steps(points: ArrayLike) -> NDArray[np.uint16]:
    """Return coordinates as whole steps; points further out stay at the border, those that are no number at 0."""
    share = (np.nan_to_num(np.asarray(points, float), nan=LOW) - LOW) / (HIGH - LOW)
    return np.asarray(np.round(np.clip(share, 0, 1) * LEVELS), np.uint16)


def from_steps(steps: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the coordinates of :func:`to_steps`, to within 1.6e-5 of the side."""
    return steps.astype(float) / LEVELS * (HIGH - LOW) + LOW


def to_bytes_level(levels: ArrayLike) -> NDArray[np.uint8]:
    """Return levels in [0, 1] as 0 to 255; what is no number shows as undecided."""
    return np.asarray(np.round(np.clip(np.nan_to_num(np.asarray(levels, float), nan=0.5), 0, 1) * 255), np.uint8)


@dataclass
class Film:
    """Frames of one training, from step 0 on.

    ``about`` says what the player needs to know: loss, noise dimensions, name. ``steps`` holds the training
    step of each frame.
    """

    real: NDArray[np.uint16]
    about: dict[str, Any] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, step: int, frame: Frame) -> None:
        """Append a frame."""
        self.steps.append(step)
        self.frames.append(frame)

    def cut(self, length: int) -> None:
        """Forget all frames past the first ``length``."""
        del self.steps[length:], self.frames[length:]

    def part(self, first: int) -> Film:
        """Return a film of the frames from index ``first`` on."""
        return Film(self.real, dict(self.about), self.steps[first:], self.frames[first:])

    def to_bytes(self, **extra: Any) -> bytes:
        """Return the film as a safetensors file; ``extra`` joins ``about`` in its header."""
        tensors: dict[str, NDArray[Any]] = {"real": self.real}
        for name, (kind, shape) in SHAPES.items():
            stacked = np.stack([frame[name] for frame in self.frames]) if self.frames else np.zeros((0, *shape), kind)
            tensors[name] = np.ascontiguousarray(stacked)
        return to_bytes(tensors, {"about": json.dumps({**self.about, **extra, "steps": self.steps})})

    def save(self, path: Path) -> None:
        """Write the film into a run folder, atomically."""
        write_bytes(path / FILE, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> Film:
        """Read the film of a run folder; RunError naming the file if it is missing or does not read."""
        file = path / FILE
        try:
            content = read_inside(path, FILE, MOST_BYTES)
            tensors = parse(content)
            about = parse_json(_metadata(content)["about"].encode())
            steps = [int(step) for step in about.pop("steps")]
            for name, (kind, shape) in SHAPES.items():
                if tensors[name].dtype != kind or tensors[name].shape != (len(steps), *shape):
                    raise ValueError(f"{name} has shape {tensors[name].shape}")
            frames: Sequence[Frame] = [{name: tensors[name][t] for name in SHAPES} for t in range(len(steps))]
            return cls(tensors["real"], about, steps, list(frames))
        except FileNotFoundError:
            raise RunError(f"{file} is missing", "Pick another run, or train this one again") from None
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            raise RunError(f"{file} is no readable film ({reason(error)})", "Train this run again") from None


def _metadata(content: bytes) -> dict[str, str]:
    """Return the text metadata in a safetensors header: 8 bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    found = parse_json(content[8 : 8 + length])["__metadata__"]
    return {str(key): str(value) for key, value in found.items()}
