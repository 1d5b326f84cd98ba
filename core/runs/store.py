"""Runs: the folders of plain files that every result is read from, and the store that finds them.

Reading a run imports no torch. Whatever does not read (missing file, bad JSON, wrong shape, unknown
schema) raises :class:`core.errors.RunError`, whose message names the file and the remedy.

A run's id is ``origin/experiment/name``, for example ``shipped/vae/mnist``. Ids come from URLs: the
store looks them up among the folders it has listed and never joins them into a path.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from PIL import Image

from core import settings
from core.errors import RunError
from core.options import Config
from core.registry import EXPERIMENTS, experiment
from core.runs.contents import LOCK, RUN_JSON, TICKET, digest_of
from core.runs.files import read_inside, reason, write_json
from core.runs.grids import decode
from core.runs.locks import held
from core.runs.memory import Memory
from core.runs.record import SCHEMA, Place, Record, read_record
from core.runs.tables import Table

__all__ = ["LOCK", "NAME", "OWN", "SHIPPED", "TICKET", "Broken", "Run", "RunStore"]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
EPOCH = re.compile(r"0|[1-9][0-9]{0,6}")
SHIPPED, OWN = "shipped", "own"
MOST_BYTES = {"json": 1 << 20, "csv": 1 << 26, "png": 1 << 25}

C = TypeVar("C", bound=Config)


def remedy(origin: str) -> str:
    """Return what to do about a run that does not read."""
    if origin == SHIPPED:
        return "Restore the folder from the project's repository"
    return "Delete this run and train it again"


def empty_history() -> pd.DataFrame:
    """Return the history of a run whose first epoch has not ended."""
    return pd.DataFrame({"epoch": [], "step": [], "elapsed_s": []})


READ = Memory(96)  # histories and tables; the largest has some 10,000 rows


@dataclass(frozen=True)
class Run:
    """One run folder: its record is read, the rest when it is asked for."""

    path: Path
    origin: str
    record: Record

    @classmethod
    def read(cls, path: Path, origin: str = OWN) -> Run:
        """Read and check ``run.json`` of a folder; raise RunError naming what is wrong."""
        file = path / RUN_JSON
        try:
            return cls(path, origin, read_record(path))
        except FileNotFoundError:
            raise RunError(f"{file} is missing", remedy(origin)) from None
        except OSError as error:
            raise RunError(f"{file} cannot be read ({reason(error)})", remedy(origin)) from None
        except ValueError as error:
            raise RunError(f"{file}: {reason(error)}", remedy(origin)) from None

    def changed(self, **values: Any) -> Run:
        """Return the run with some keys of its record changed, here alone: see ``session.mark`` to write them."""
        try:
            return Run(self.path, self.origin, self.record.changed(**values))
        except ValueError as error:
            raise self.broken(RUN_JSON, str(error)) from None

    @property
    def id(self) -> str:
        """``origin/experiment/name``."""
        return f"{self.origin}/{self.experiment}/{self.name}"

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.record.experiment

    @property
    def name(self) -> str:
        """Name of the folder, which is the run's name."""
        return self.path.name

    @property
    def status(self) -> str:
        """One of STATUSES, as last written (see ``jobs`` for runs whose process is gone)."""
        return self.record.status

    @property
    def epochs_done(self) -> int:
        """Whole epochs that were trained."""
        return self.record.epochs_done

    @property
    def metrics(self) -> dict[str, float]:
        """Final metrics: plain numbers by name."""
        return dict(self.record.metrics)

    @property
    def shipped(self) -> bool:
        """Whether the run ships with the project."""
        return self.origin == SHIPPED

    @property
    def config(self) -> Config:
        """The run's config."""
        return self.record.config

    def config_as(self, kind: type[C]) -> C:
        """Return the run's config if it is of that kind; RunError if the run is of another experiment."""
        if not isinstance(self.config, kind):
            raise self.broken(RUN_JSON, f"it is a run of {self.experiment!r}, whose config is no {kind.__name__}")
        return self.config

    @cached_property
    def digest(self) -> str:
        """Short digest that changes when the run does: the key under which pages cache what they read.

        It is of the ``run.json`` that was read, not of the one on disk, which a training may have replaced since.
        """
        parts = [self.id.encode(), json.dumps(self.record.raw, sort_keys=True).encode()]
        for name in ("history.csv", "weights.safetensors", "tables", "samples"):
            with suppress(FileNotFoundError, NotADirectoryError):
                stat = (self.path / name).stat()
                parts.append(f"{name}:{stat.st_size}:{stat.st_mtime_ns}".encode())
        return hashlib.sha256(b"|".join(parts)).hexdigest()[:16]

    def history(self) -> pd.DataFrame:
        """Return the history: one row per logged step, columns ``epoch, step, ..., elapsed_s``.

        Empty (with those columns) before the first epoch has ended.
        """
        file = self.path / "history.csv"
        if self.status != "finished" and not file.exists():
            return empty_history()
        return READ.frame(file, self.record.files.get(file.name), self._history)

    def _history(self) -> pd.DataFrame:
        frame = self._csv("history.csv")
        missing = {"epoch", "step", "elapsed_s"} - set(frame.columns)
        if missing:
            raise self.broken("history.csv", f"it lacks the columns {sorted(missing)}")
        textual = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
        if textual:
            raise self.broken("history.csv", f"the columns {textual} hold text")
        if not all(pd.api.types.is_integer_dtype(frame[name]) for name in ("epoch", "step")):
            raise self.broken("history.csv", "its epochs or steps are no whole numbers")
        if not frame["epoch"].is_monotonic_increasing:
            raise self.broken("history.csv", "its epochs do not rise")
        # earlier versions wrote the row of the untrained state once more at every resumption before the first epoch
        return frame.drop_duplicates(["epoch", "step"], ignore_index=True)

    def whole_history(self) -> pd.DataFrame:
        """Return the history of the whole epochs: without the step that diverged, or what was logged since."""
        return self.history().query("epoch <= @self.epochs_done").reset_index(drop=True)

    @property
    def diverged_at(self) -> Place | None:
        """Epoch and step at which the loss was no longer finite; None where it did not diverge."""
        return self.record.diverged_at if self.status == "diverged" else None

    def snapshots(self) -> list[int]:
        """Return the epochs whose weights were kept, rising."""
        return self._epochs("snapshots", "safetensors")

    def sample_epochs(self, kind: str = "samples") -> list[int]:
        """Return the epochs with a composed grid of that kind, rising."""
        return self._epochs(_plain(kind), "png")

    def sample(self, epoch: int, kind: str = "samples") -> Image.Image:
        """Return the composed grid of one epoch."""
        return self._sample(epoch, kind)[1]

    def sample_png(self, epoch: int, kind: str = "samples") -> bytes:
        """Return the file of the composed grid of one epoch, as it is: a PNG that reads."""
        return self._sample(epoch, kind)[0]

    def _sample(self, epoch: int, kind: str) -> tuple[bytes, Image.Image]:
        name = f"{_plain(kind)}/{int(epoch)}.png"
        try:
            data = self._read(name, MOST_BYTES["png"])
            return data, decode(data)
        except FileNotFoundError:
            raise self.broken(name, "it is missing") from None
        except (OSError, ValueError) as error:
            raise self.broken(name, f"it is no readable PNG ({reason(error)})") from None

    def tables(self) -> list[str]:
        """Return the names of the evaluation tables."""
        return sorted(file.stem for file in (self.path / "tables").glob("*.csv"))

    def table(self, name: str) -> pd.DataFrame:
        """Return an evaluation table by name, its columns checked against the chapter's declaration."""
        file = f"tables/{_plain(name)}.csv"
        about = (self.experiment, self.record.files.get(file))
        return READ.frame(self.path / file, about, lambda: self._table(name, file))

    def _table(self, name: str, file: str) -> pd.DataFrame:
        frame = self._csv(file)
        declared: Table | None = experiment(self.experiment).tables.get(name)
        if declared is None:
            return frame
        try:
            return declared.checked(frame)
        except ValueError as error:
            raise self.broken(file, str(error)) from None

    def has_weights(self) -> bool:
        """Whether final weights were saved."""
        return (self.path / "weights.safetensors").is_file()

    def broken(self, name: str, what: str) -> RunError:
        """Return the error that says what is wrong with one of the run's files."""
        return RunError(f"{self.path / name}: {what}", remedy(self.origin))

    def _epochs(self, folder: str, suffix: str) -> list[int]:
        files = (self.path / folder).glob(f"*.{suffix}")
        return sorted(int(file.stem) for file in files if EPOCH.fullmatch(file.stem))

    def _read(self, name: str, most_bytes: int) -> bytes:
        """Return a file's bytes; RunError if the run has recorded its digest and it is another file by now."""
        data = read_inside(self.path, name, most_bytes)
        recorded = self.record.files.get(name)
        if recorded is not None and digest_of(data) != recorded:
            raise self.broken(name, "it no longer belongs to the run: its digest is not the one recorded")
        return data

    def _csv(self, name: str) -> pd.DataFrame:
        try:
            data = self._read(name, MOST_BYTES["csv"])
            # pandas reads floats as they were written, and resuming rewrites them
            return pd.read_csv(io.BytesIO(data), low_memory=False)
        except FileNotFoundError:
            raise self.broken(name, "it is missing") from None
        except (OSError, ValueError, OverflowError) as error:  # pandas' parser and decoder errors are ValueErrors
            raise self.broken(name, f"it is no readable CSV ({reason(error)})") from None


def _plain(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise RunError(f"{name[:60]!r} is no name of a table or grid", "Use lower-case letters, digits, - and _")
    return name


@dataclass(frozen=True)
class Broken:
    """A folder that should be a run and does not read: what the picker shows instead of the run."""

    id: str
    path: Path
    error: RunError


Runs = list[Run]  # inside the class, list is the method
Brokens = list[Broken]


class RunStore:
    """Finds runs under two roots: the shipped ones (never written) and the reader's own."""

    def __init__(self, shipped: Path | None = None, own: Path | None = None) -> None:
        self.roots = {SHIPPED: shipped or settings.shipped_root(), OWN: own or settings.runs_root()}

    def scan(self, experiment: str | None = None) -> tuple[Runs, Brokens]:
        """Return the runs that read (shipped first, then own, newest first) and those that do not."""
        runs: Runs = []
        broken: Brokens = []
        for origin, folder in self._folders(experiment, unlisted=broken):
            try:
                runs.append(self._read(folder, origin))
            except RunError as error:
                broken.append(Broken(f"{origin}/{folder.parent.name}/{folder.name}", folder, error))
        shipped = sorted((r for r in runs if r.shipped), key=lambda r: (r.experiment, r.record.created, r.name))
        own = sorted((r for r in runs if not r.shipped), key=lambda r: r.record.created, reverse=True)
        return shipped + own, broken

    def list(self, experiment: str | None = None) -> Runs:
        """Return the runs that read; see :meth:`scan`."""
        return self.scan(experiment)[0]

    def get(self, run_id: str) -> Run:
        """Return the run with that id; RunError if there is none or it does not read."""
        origin, folder = self._folder(run_id)
        return self._read(folder, origin)

    def find(self, text: str) -> Run:
        """Return a run by id or by ``experiment/name`` (an own run wins over a shipped one)."""
        ids = [f"{origin}/{f.parent.name}/{f.name}" for origin, f in self._folders()]
        for candidate in (text, f"{OWN}/{text}", f"{SHIPPED}/{text}"):
            if candidate in ids:
                return self.get(candidate)
        return self.get(text)

    def create(self, meta: Mapping[str, Any], name: str) -> Run:
        """Make a reader's own run folder holding ``run.json``; RunError if the name is taken or unfit."""
        if not NAME.fullmatch(name):
            raise RunError(f"{name[:60]!r} is no name for a run", "Use lower-case letters, digits and -, 64 at most")
        path = self.roots[OWN] / str(meta["experiment"]) / name
        # filled under a hidden name and renamed, so that nobody sees a folder without its run.json
        draft = path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
        try:
            draft.mkdir(parents=True)
            write_json(draft / RUN_JSON, {"schema": SCHEMA, **meta, "name": name})
            if path.is_symlink():
                raise OSError(errno.EEXIST, "it is a link")
            draft.rename(path)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY) or path.exists():
                raise RunError(f"there is a run {meta['experiment']}/{name} already", "Choose another name") from None
            remedy = "Point EPOCH_ATLAS_RUNS at a folder that can be written"
            raise RunError(f"{path} cannot be made ({reason(error)})", remedy) from None
        except RunError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return self._read(path, OWN)

    def delete(self, run_id: str) -> None:
        """Delete a reader's own run; shipped runs, and runs in training, are refused."""
        origin, folder = self._folder(run_id)
        if origin == SHIPPED:
            raise RunError(f"{run_id} ships with the project", "Only your own runs can be deleted")
        if held(folder / LOCK) or held(folder / TICKET):
            raise RunError(f"{run_id} is queued or in training", "Stop it first")
        try:
            if folder.is_symlink():
                folder.unlink()
                return
            # renamed first: a run that is only half deleted is never seen
            grave = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
            folder.rename(grave)
            shutil.rmtree(grave)
        except OSError as error:
            raise RunError(
                f"{folder} cannot be deleted ({reason(error)})", "Give permission there, and retry"
            ) from None

    def _folder(self, run_id: str) -> tuple[str, Path]:
        """Look an id up among the folders there are; an id is never made into a path."""
        for origin, folder in self._folders():
            if run_id == f"{origin}/{folder.parent.name}/{folder.name}":
                return origin, folder
        raise RunError(f"there is no run {run_id[:100]!r}", "Pick one of the runs that python -m core list shows")

    def _folders(self, experiment: str | None = None, unlisted: Brokens | None = None) -> Iterator[tuple[str, Path]]:
        """Yield (origin, folder) of everything named like a run; what cannot be listed goes into ``unlisted``."""
        for origin, root in self.roots.items():
            for name in EXPERIMENTS if experiment is None else {experiment} & EXPERIMENTS.keys():
                try:
                    folders = sorted((root / name).iterdir())
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    problem = RunError(f"{root / name} cannot be listed ({reason(error)})", "Give permission there")
                    if unlisted is not None:
                        unlisted.append(Broken(f"{origin}/{name}", root / name, problem))
                    continue
                yield from ((origin, folder) for folder in folders if NAME.fullmatch(folder.name) and folder.is_dir())

    def _read(self, folder: Path, origin: str) -> Run:
        if folder.is_symlink():
            raise RunError(f"{folder} is a link", "Put the run's own folder there")
        run = Run.read(folder, origin)
        if run.experiment != folder.parent.name:
            raise run.broken(RUN_JSON, f"it is of experiment {run.experiment!r}, not {folder.parent.name!r}")
        return run
