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

from core.data.catalogue import SIDE
from core.data.files import zipped
from core.errors import DataError

UNSIGNED_BYTE = 8
IMAGES_PER_READ = 1_000


def damaged(path: Path, what: str) -> DataError:
    """Return the error for a file that is there but is not what it should be."""
    return DataError(f"{path} is damaged: {what}", "Delete it and download the data set again")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open the unpacked file or, where there is none, its gzipped twin; give the handle and the path used."""
    used = path if path.exists() else zipped(path)
    try:
        with cast(BinaryIO, gzip.open(used, "rb")) if used != path else path.open("rb") as file:
            yield file, used
    except EOFError:
        raise damaged(used, "it ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise damaged(used, f"it does not unpack ({error})") from None
    except FileNotFoundError:
        raise DataError(f"{path} is missing", "Download the data set") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(f"{used} cannot be read ({reason})", "Check the file and its permissions") from None


def _read_header(file: BinaryIO, path: Path, shape: tuple[int, ...]) -> None:
    """Read the header and check that it announces unsigned bytes of this shape."""
    length = 4 + 4 * len(shape)
    header = file.read(length)
    if len(header) < length:
        raise damaged(path, "it ends too early")
    zeros, code, dimensions = struct.unpack(">HBB", header[:4])
    if (zeros, code, dimensions) != (0, UNSIGNED_BYTE, len(shape)):
        expected = struct.pack(">HBB", 0, UNSIGNED_BYTE, len(shape)).hex()
        raise damaged(path, f"it begins with {header[:4].hex()} where {expected} is expected")
    found = struct.unpack(f">{dimensions}I", header[4:])
    if found != shape:
        raise damaged(path, f"it announces shape {found} where {shape} is expected")


def _read_values(file: BinaryIO, path: Path, count: int) -> NDArray[np.uint8]:
    values = np.frombuffer(file.read(count), dtype=np.uint8)
    if len(values) < count:
        raise damaged(path, "it ends too early")
    return values


def _check_end(file: BinaryIO, path: Path) -> None:
    # reading on past the values also makes gzip compare its checksum
    if file.read(1):
        raise damaged(path, "it goes on after its last value")


def read_labels(path: Path, count: int, n_classes: int) -> NDArray[np.int64]:
    """Read a label file.

    Parameters
    ----------
    path : Path
        The unpacked file; where there is none, the ``.gz`` beside it is read.
    count : int
        Number of labels that the file must hold.
    n_classes : int
        Labels must lie in ``0 … n_classes - 1``.

    Returns
    -------
    ndarray of int64, shape (count,)

    Raises
    ------
    DataError
        If the file is missing, unreadable, truncated, too long, or not of this kind and count.
    """
    with _opened(path) as (file, used):
        _read_header(file, used, (count,))
        labels = _read_values(file, used, count)
        _check_end(file, used)
        if count and labels.max() >= n_classes:
            raise damaged(used, f"it holds the label {labels.max()}; the largest allowed is {n_classes - 1}")
    return labels.astype(np.int64)


def read_images(path: Path, count: int, place: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
    """Read an image file straight into the order in which the images are kept.

    The file is read in blocks and each block is put in place, so that reordering never costs a second copy.

    Parameters
    ----------
    path : Path
        The unpacked file; where there is none, the ``.gz`` beside it is read.
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
    with _opened(path) as (file, used):
        _read_header(file, used, (count, SIDE, SIDE))
        for start in range(0, count, IMAGES_PER_READ):
            stop = min(start + IMAGES_PER_READ, count)
            block = _read_values(file, used, (stop - start) * SIDE * SIDE).reshape(-1, SIDE, SIDE)
            images[slice(start, stop) if place is None else place[start:stop]] = block
        _check_end(file, used)
    return images
