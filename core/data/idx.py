"""Reading of IDX files, the format of MNIST, plain or gzipped, with numpy alone.

The header is big-endian: two zero bytes, the type code (8: unsigned byte), the number of dimensions and then each
dimension as a 32-bit integer. The values follow, the last dimension varying fastest.
Source: the section on the file format of LeCun's MNIST page, http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from core.data.catalogue import SIDE, DatasetInfo
from core.data.files import located
from core.errors import DataError

UNSIGNED_BYTE = 8
GZIP = b"\x1f\x8b"  # how every gzip file begins
IMAGES_PER_READ = 1_000


def damaged(info: DatasetInfo, path: Path, what: str) -> DataError:
    """Return the error for a file that is there but is not what it should be."""
    return DataError(f"{path} is damaged: {what}", f"Delete it and run `python -m core data {info.name}`")


@contextmanager
def _opened(info: DatasetInfo, path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open the file that is there for ``path``, packed or not; give the handle and the path used.

    What it holds decides, not its name: some browsers unpack an archive and leave its name as it was.
    """
    used = located(path) or path
    try:
        with used.open("rb") as raw:
            packed = raw.read(2) == GZIP or (used.suffix == ".gz" and used.stat().st_size < 2)
            raw.seek(0)
            if packed:
                with cast(BinaryIO, gzip.GzipFile(fileobj=raw)) as file:
                    yield file, used
            else:
                yield raw, used
    except EOFError:
        raise damaged(info, used, "it ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(info, used, f"it does not unpack ({error})") from None
    except FileNotFoundError:
        raise DataError(f"{path} is missing", f"Run `python -m core data {info.name}`") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{used} cannot be read ({reason})", "Check the file and its permissions") from None


def _read_header(info: DatasetInfo, file: BinaryIO, path: Path, shape: tuple[int, ...]) -> None:
    """Read the header and check that it announces unsigned bytes of this shape."""
    begin = file.read(4)
    expected = struct.pack(">HBB", 0, UNSIGNED_BYTE, len(shape))
    if len(begin) == len(expected) and begin != expected:
        raise damaged(info, path, f"it begins with {begin.hex()} where {expected.hex()} is expected")
    sizes = file.read(4 * len(shape))
    if len(sizes) < 4 * len(shape):
        raise damaged(info, path, "it ends too early")
    found = struct.unpack(f">{len(shape)}I", sizes)
    if found != shape:
        raise damaged(info, path, f"it announces shape {found} where {shape} is expected")


def _read_values(info: DatasetInfo, file: BinaryIO, path: Path, count: int) -> NDArray[np.uint8]:
    values = np.frombuffer(file.read(count), dtype=np.uint8)
    if len(values) < count:
        raise damaged(info, path, "it ends too early")
    return values


def _check_end(info: DatasetInfo, file: BinaryIO, path: Path) -> None:
    # reading on past the values also makes gzip compare its checksum
    if file.read(1):
        raise damaged(info, path, "it goes on after its last value")


def read_labels(info: DatasetInfo, path: Path, count: int) -> NDArray[np.int64]:
    """Read a label file.

    Parameters
    ----------
    info : DatasetInfo
        The data set the file belongs to: bounds the labels, and names the remedy in errors.
    path : Path
        The unpacked file; where there is none, one under another known name or an archive is read.
    count : int
        Number of labels that the file must hold.

    Returns
    -------
    ndarray of int64, shape (count,)

    Raises
    ------
    DataError
        If the file is missing, unreadable, truncated, too long, or not of this kind and count.
    """
    with _opened(info, path) as (file, used):
        _read_header(info, file, used, (count,))
        labels = _read_values(info, file, used, count)
        _check_end(info, file, used)
        if labels.max(initial=0) >= len(info.classes):
            largest = len(info.classes) - 1
            raise damaged(info, used, f"it holds the label {labels.max()}; the largest allowed is {largest}")
    return labels.astype(np.int64)


def read_images(info: DatasetInfo, path: Path, count: int, place: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
    """Read an image file straight into the order in which the images are kept.

    The file is read in blocks and each block is put in place, so that reordering never costs a second copy.

    Parameters
    ----------
    info : DatasetInfo
        The data set the file belongs to: bounds the labels, and names the remedy in errors.
    path : Path
        The unpacked file; where there is none, one under another known name or an archive is read.
    count : int
        Number of images that the file must hold.
    place : ndarray of int64, shape (count,), optional
        A permutation: the file's image ``i`` becomes the result's image ``place[i]``. Default: the file's order.

    Returns
    -------
    ndarray of uint8, shape (count, 28, 28)
        Rows from top to bottom; 0 is paper, 255 is full ink.

    Raises
    ------
    DataError
        As for :func:`read_labels`.
    """
    images = np.empty((count, SIDE, SIDE), dtype=np.uint8)
    with _opened(info, path) as (file, used):
        _read_header(info, file, used, (count, SIDE, SIDE))
        for start in range(0, count, IMAGES_PER_READ):
            stop = min(start + IMAGES_PER_READ, count)
            block = _read_values(info, file, used, (stop - start) * SIDE * SIDE).reshape(-1, SIDE, SIDE)
            images[slice(start, stop) if place is None else place[start:stop]] = block
        _check_end(info, file, used)
    return images
