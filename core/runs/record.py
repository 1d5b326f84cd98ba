"""What ``run.json`` says, parsed and checked once: a typed record.

The file's own JSON is kept beside the typed fields, so that what a later version has added to it survives a rewrite.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from core.errors import AtlasError
from core.options import Config
from core.registry import EXPERIMENTS
from core.runs.contents import RUN_JSON
from core.runs.files import parse_json, read_inside

SCHEMA = 1
STATUSES = ("queued", "running", "finished", "stopped", "failed", "diverged")
YEARS = range(2000, 2101)  # of ``created``: what lies outside cannot be told in every time zone
MOST_BYTES = 1 << 20
SETTLED_NS = 2_000_000_000
MOST = 10**12  # seconds, steps, images
T = TypeVar("T")


@dataclass(frozen=True)
class SplitRecord:
    """One split that a run was trained or measured on: number of images, and their digest ('' where none is known)."""

    size: int
    digest: str


@dataclass(frozen=True)
class DataRecord:
    """The data set of a run: its name, where it came from, and its splits (empty until training has begun)."""

    name: str
    source: str
    splits: Mapping[str, SplitRecord]


class Place(NamedTuple):
    """A step of a training."""

    epoch: int
    step: int


@dataclass(frozen=True)
class Record:
    """The contents of ``run.json``.

    Attributes
    ----------
    config : Config
        The experiment's config; options that the file lacks have their defaults, and are named in ``defaulted``.
    created : datetime
        Aware; a time without a zone is read as UTC.
    elapsed_s, training_s, evaluation_s : float
        Seconds so far, of the training alone and of the evaluation; the last two are None before their end.
    diverged_at : Place or None
        Where the loss was no longer finite.
    reason : str or None
        Why it failed, in words.
    files : mapping of str to str
        Digest of each of the run's other files by its name; empty while it may still change.
    raw : mapping
        The JSON itself, with keys that this version does not know.
    """

    experiment: str
    name: str
    config: Config
    defaulted: tuple[str, ...]
    seed: int
    data: DataRecord
    software: Mapping[str, str]
    device: str
    status: str
    created: datetime
    elapsed_s: float
    epochs_done: int
    metrics: Mapping[str, float]
    training_s: float | None
    evaluation_s: float | None
    diverged_at: Place | None
    reason: str | None
    files: Mapping[str, str]
    raw: Mapping[str, Any] = field(repr=False)

    def changed(self, **values: Any) -> Record:
        """Return the record with some keys of its JSON changed; ValueError if a value does not fit."""
        return parse({**self.raw, **values}, None if "config" in values else (self.config, self.defaulted))


def parse(meta: object, config: tuple[Config, tuple[str, ...]] | None = None) -> Record:
    """Return the record that some JSON holds; ValueError saying which part does not fit.

    Parameters
    ----------
    meta
        The parsed JSON.
    config
        The config with the names of its defaulted options, where the JSON's has been checked before.
    """
    whole = _object(meta, "it holds no JSON object")
    if whole.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {str(whole.get('schema'))[:20]}, this version reads schema {SCHEMA}")
    experiment = _text(whole, "experiment")
    if experiment not in EXPERIMENTS:
        raise ValueError(f"there is no experiment {experiment[:60]!r}")
    status = _text(whole, "status")
    if status not in STATUSES:
        raise ValueError(f"{status[:40]!r} is no status")
    settings = _object(whole.get("config"), "'config' is missing or of the wrong kind")
    checked, defaulted = config or _config(experiment, settings)
    return Record(
        experiment=experiment,
        name=_text(whole, "name"),
        config=checked,
        defaulted=defaulted,
        seed=_whole(whole, "seed", most=2**31 - 1),
        data=_data(_object(whole.get("data"), "'data' is missing or of the wrong kind")),
        software=_texts(whole.get("software"), "software"),
        device=_text(whole, "device"),
        status=status,
        created=_time(_text(whole, "created")),
        elapsed_s=_seconds(whole, "elapsed_s"),
        epochs_done=_whole(whole, "epochs_done", most=checked.epochs),
        metrics=_metrics(_object(whole.get("metrics"), "'metrics' is missing or of the wrong kind")),
        training_s=_if_there(whole, "training_s", _seconds),
        evaluation_s=_if_there(whole, "evaluation_s", _seconds),
        diverged_at=_if_there(whole, "diverged_at", _place),
        reason=_if_there(whole, "reason", _text),
        files=_texts(whole.get("files", {}), "files"),
        raw=whole,
    )


def _config(experiment: str, settings: Mapping[str, Any]) -> tuple[Config, tuple[str, ...]]:
    kind = EXPERIMENTS[experiment].config
    try:
        config = kind.from_dict(settings)
    except AtlasError as error:
        raise ValueError(f"its config does not fit: {error.problem}") from None
    given = {kind.option(name).name for name in settings}
    return config, tuple(one.name for one in kind.options() if one.name not in given)


def _data(data: Mapping[str, Any]) -> DataRecord:
    if not isinstance(data.get("name"), str):
        raise ValueError("it does not name its data")
    splits = {}
    for name, split in _object(data.get("splits", {}), "the splits of its data are no object").items():
        try:
            found = _object(split, "it is no object")
            splits[name] = SplitRecord(_whole(found, "size"), _text(found, "digest", ""))
        except ValueError as error:
            raise ValueError(f"the split {name[:60]!r} of its data does not read: {error}") from None
    return DataRecord(data["name"], _text(data, "source", ""), splits)


def _metrics(values: Mapping[str, Any]) -> Mapping[str, float]:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise ValueError(f"the metric {name[:60]!r} is not a finite number")
    return {name: float(value) for name, value in values.items()}


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("'created' is no date and time") from None
    if time.year not in YEARS:
        raise ValueError(f"'created' is in the year {time.year}, not from {YEARS[0]} to {YEARS[-1]}")
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _place(whole: Mapping[str, Any], key: str) -> Place:
    place = _object(whole[key], f"{key!r} is of the wrong kind")
    return Place(_whole(place, "epoch"), _whole(place, "step"))


def _if_there(whole: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any], str], T]) -> T | None:
    return None if whole.get(key) is None else read(whole, key)


def _object(value: object, problem: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(problem)
    return value


def _text(whole: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = whole.get(key, default)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is missing or of the wrong kind")
    return value


def _texts(value: object, key: str) -> Mapping[str, str]:
    found = _object(value, f"{key!r} is missing or of the wrong kind")
    if not all(isinstance(one, str) for one in found.values()):
        raise ValueError(f"{key!r} holds something else than texts")
    return found


def _whole(whole: Mapping[str, Any], key: str, most: int = MOST) -> int:
    value = whole.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key!r} is missing or of the wrong kind")
    if not 0 <= value <= most:
        raise ValueError(f"{key!r} is out of range")
    return value


def _seconds(whole: Mapping[str, Any], key: str) -> float:
    value = whole.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{key!r} is missing or of the wrong kind")
    if not 0 <= value <= MOST:
        raise ValueError(f"{key!r} is out of range")
    return float(value)


@functools.lru_cache(maxsize=256)
def _of(data: bytes) -> Record:
    """Return the record of some bytes: a file that is read again while it is being written is parsed once."""
    try:
        meta = parse_json(data)
    except ValueError as error:
        raise ValueError(f"it is no readable JSON ({error})") from None
    return parse(meta)


@functools.lru_cache(maxsize=1024)
def _settled(path: Path, version: tuple[int, ...]) -> Record:
    """Return the record of a ``run.json``; ``version`` tells one writing of the file from another."""
    return _of(read_inside(path, RUN_JSON, MOST_BYTES))


def read_record(path: Path) -> Record:
    """Return the record of a run folder, parsed once for every writing of its ``run.json``.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If it is no JSON of a run.
    """
    about = (path / RUN_JSON).lstat()
    if time.time_ns() - about.st_mtime_ns < SETTLED_NS:  # it may be written again within one tick of the clock
        return _of(read_inside(path, RUN_JSON, MOST_BYTES))
    return _settled(path, (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
