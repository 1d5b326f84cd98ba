"""The recorder: everything a training writes into its run folder goes through here."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from core.training.files import write_atomic, write_csv, write_json
from core.training.grids import compose
from core.training.runs import Run

HEARTBEAT_S = 0.5


class Recorder:
    """Writes one run: history, grids, tables, status, heartbeat; and hears the request to stop.

    Parameters
    ----------
    run
        The run folder to write into.
    device
        Device name the training should use (already resolved, for example ``"cpu"``).
    on_progress
        Called with (epochs done as a fraction, epochs in all, latest history row or None), for a progress bar.
    """

    def __init__(
        self,
        run: Run,
        device: str = "cpu",
        on_progress: Callable[[float, int, Mapping[str, float] | None], None] | None = None,
    ) -> None:
        self.path: Path = run.path
        self.device = device
        self.meta: dict[str, Any] = dict(run.meta)
        self.rows: list[dict[str, float]] = run.history().to_dict("records")  # type: ignore[assignment]
        self.elapsed_before = float(self.meta["elapsed_s"])
        self.started = time.monotonic()
        self._on_progress = on_progress or (lambda done, total, row: None)
        self._last_beat = -math.inf

    @property
    def epochs_done(self) -> int:
        """Whole epochs recorded so far."""
        return int(self.meta["epochs_done"])

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, earlier sittings included."""
        return self.elapsed_before + time.monotonic() - self.started

    def update(self, **values: Any) -> None:
        """Change fields of ``run.json`` and write it."""
        self.meta.update(values)
        write_json(self.path / "run.json", self.meta)

    def log(self, epoch: int, step: int, **values: float) -> None:
        """Append a history row and write ``history.csv``. Non-finite values are kept: they are results."""
        row = {"epoch": epoch, "step": step, **values, "elapsed_s": round(self.elapsed_s, 3)}
        self.rows.append(row)
        self.write_history()
        self._on_progress(epoch, 0, row)

    def write_history(self) -> None:
        """Write all rows to ``history.csv``."""
        write_csv(self.path / "history.csv", pd.DataFrame(self.rows))

    def rewind(self, epoch: int) -> None:
        """Forget rows past ``epoch``: what a killed process logged after its last resume file."""
        kept = [row for row in self.rows if row["epoch"] <= epoch]
        if len(kept) < len(self.rows):
            self.rows = kept
            self.write_history()

    def grid(self, epoch: int, images: np.ndarray, kind: str = "samples") -> None:
        """Compose and write an image grid, ``uint8`` of shape (rows, columns, height, width[, 3])."""
        image = Image.fromarray(compose(images))
        file = self.path / kind / f"{epoch}.png"
        write_atomic(file, lambda temporary: image.save(temporary, format="PNG", optimize=True))

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write an evaluation table."""
        write_csv(self.path / "tables" / f"{name}.csv", frame)

    def progress(self, done: float, total: int, *, force: bool = False) -> None:
        """Say how far training is (``done`` epochs of ``total``); writes the heartbeat at most twice a second."""
        now = time.monotonic()
        if not force and now - self._last_beat < HEARTBEAT_S:
            return
        self._last_beat = now
        first = self.meta.get("resumed_at", 0)
        pace = (now - self.started) / (done - first) if done > first else None
        left = None if pace is None else max(0.0, pace * (total - done))
        beat = {"pid": os.getpid(), "time": time.time(), "done": done, "total": total, "left_s": left}
        write_json(self.path / "heartbeat.json", beat)
        self._on_progress(done, total, None)

    def stop_requested(self) -> bool:
        """Whether someone asked this training to stop."""
        return (self.path / "stop").exists()

    def read_resume(self) -> dict[str, Any] | None:
        """Return the contents of ``resume.json``, or None at a fresh start."""
        try:
            return dict(json.loads((self.path / "resume.json").read_bytes()))
        except FileNotFoundError:
            return None
