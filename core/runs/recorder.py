"""The recorder: everything a training writes into its run folder goes through here."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from core.errors import RunError
from core.registry import experiment
from core.runs.files import parse_json, read_inside, reason, write_atomic, write_csv, write_json
from core.runs.grids import compose
from core.runs.store import MOST_BYTES, Run

HEARTBEAT_S = 0.5
START_OVER = "Delete this run and train it again"

OnProgress = Callable[[float, int, Mapping[str, float] | None], None]


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

    Attributes
    ----------
    stopping
        Whether the training has heard the request to stop and is ending.
    """

    def __init__(
        self,
        run: Run,
        device: str = "cpu",
        on_progress: OnProgress | None = None,
    ) -> None:
        self.path: Path = run.path
        self.device = device
        self.record = run.record
        self.rows: list[dict[str, float]] = run.history().to_dict("records")  # type: ignore[assignment]
        self.stopping = False
        self._elapsed_before = self.record.elapsed_s
        self._started = time.monotonic()
        self._on_progress = on_progress or (lambda done, total, row: None)
        self._done, self._total = float(self.epochs_done), run.config.epochs
        self._first, self._first_at = self._done, self._started
        self._last_beat = -math.inf

    @property
    def epochs_done(self) -> int:
        """Whole epochs recorded so far."""
        return self.record.epochs_done

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, earlier sittings included."""
        return self._elapsed_before + time.monotonic() - self._started

    def update(self, **values: Any) -> None:
        """Change fields of ``run.json`` and write it; if it cannot be written, nothing has changed."""
        changed = self.record.changed(**values)
        write_json(self.path / "run.json", changed.raw)
        self.record = changed

    def log(self, epoch: int, step: int, **values: float) -> None:
        """Append a history row and write ``history.csv``. Non-finite values are kept: they are results."""
        row = {"epoch": int(epoch), "step": int(step), **values, "elapsed_s": round(self.elapsed_s, 3)}
        self.rows.append(row)
        self.write_history()
        self._on_progress(self._done, self._total, row)

    def write_history(self) -> None:
        """Write all rows to ``history.csv``."""
        write_csv(self.path / "history.csv", pd.DataFrame(self.rows))

    def begin(self, epoch: int, step: int) -> None:
        """Go on after ``epoch`` (0: from the start): forget what a killed process logged after its last resume point.

        Raises
        ------
        RunError
            If the history does not lead up to that epoch and step.
        """
        kept = [row for row in self.rows if row["epoch"] <= epoch]
        last = (kept[-1]["epoch"], kept[-1]["step"]) if kept else (0, 0)
        if last != (epoch, step):
            raise RunError(f"{self.path / 'history.csv'} does not end at epoch {epoch}, step {step}", START_OVER)
        if len(kept) < len(self.rows):
            self.rows = kept
            if kept:
                self.write_history()
            else:
                (self.path / "history.csv").unlink(missing_ok=True)
        self._done, self._first, self._first_at = float(epoch), float(epoch), time.monotonic()
        if self.epochs_done != epoch:
            self.update(epochs_done=epoch)

    def grid(self, epoch: int, images: np.ndarray, kind: str = "samples") -> None:
        """Compose and write an image grid, ``uint8`` of shape (rows, columns, height, width[, 3])."""
        image = Image.fromarray(compose(images))
        file = self.path / kind / f"{epoch}.png"
        write_atomic(file, lambda temporary: image.save(temporary, format="PNG", optimize=True))

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write an evaluation table; ValueError if it is not as the chapter declares it."""
        declared = experiment(self.record.experiment).tables.get(name)
        if declared is None:
            raise ValueError(f"the table {name!r} is not declared in the tables of {self.record.experiment}")
        odd = declared.undeclared(frame)
        if odd:
            raise ValueError(f"the table {name!r} has columns that are not declared: {odd}")
        declared.checked(frame)
        write_csv(self.path / "tables" / f"{name}.csv", frame)

    def progress(self, done: float, total: int, *, force: bool = False) -> None:
        """Say how far training is (``done`` epochs of ``total``); writes the heartbeat at most twice a second."""
        self._done, self._total = done, total
        if force or time.monotonic() - self._last_beat >= HEARTBEAT_S:
            self.beat()
            self._on_progress(done, total, None)

    def beat(self) -> None:
        """Write the heartbeat: process id, time, epochs done and in all, seconds left (null while unknown)."""
        now = self._last_beat = time.monotonic()
        done, total = self._done, self._total
        pace = (now - self._first_at) / (done - self._first) if done > self._first else None
        left = None if pace is None else round(max(0.0, pace * (total - done)), 3)
        beat = {"pid": os.getpid(), "time": time.time(), "done": done, "total": total, "left_s": left}
        write_json(self.path / "heartbeat.json", beat)

    def beat_if_older(self, age_s: float) -> None:
        """Write the heartbeat again if the last one is older than that: an evaluation reports no progress."""
        if time.monotonic() - self._last_beat > age_s:
            self.beat()

    def stop_requested(self) -> bool:
        """Whether someone asked this training to stop."""
        return (self.path / "stop").exists()

    def read_resume(self) -> dict[str, Any] | None:
        """Return the contents of ``resume.json``, or None at a fresh start; RunError if it does not read."""
        file = self.path / "resume.json"
        try:
            point = parse_json(read_inside(self.path, file.name, MOST_BYTES["json"]))
            whole = [point["epoch"], point["step"]]
            if not all(type(number) is int and 0 < number < 10**9 for number in whole):
                raise ValueError("its epoch or step is no whole number")
            if not isinstance(point["rates"], dict):
                raise ValueError("its rates are no object")
            return dict(point)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{file} is no readable resume point ({reason(error)})", START_OVER) from None
