"""Small stand-ins for the real data sets: made-up images, the real file format."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.catalogue import DATASETS, DatasetInfo
from core.data.files import PARTS, part_count

CLASSES = 10
COUNTS = {"train": 30, "validation": 20, "test": 10}


def idx_bytes(array: np.ndarray) -> bytes:
    """Encode an array of unsigned bytes as IDX."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def fake_contents(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make random images with every class equally often, in a random order, the same at each call."""
    rng = np.random.default_rng(sum(part.encode()))
    labels = rng.permutation(np.arange(count) % CLASSES)
    return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8), labels


def fake_files() -> dict[str, bytes]:
    """Return the contents of the four unpacked files by name."""
    files = {}
    for part, prefix in PARTS.items():
        images, labels = fake_contents(part, part_count(fake_info(), part))
        files[f"{prefix}-images-idx3-ubyte"] = idx_bytes(images)
        files[f"{prefix}-labels-idx1-ubyte"] = idx_bytes(labels)
    return files


def fake_archives() -> dict[str, bytes]:
    """Return the four gzipped files, without a time in them, by the name of the unpacked file."""
    return {name: gzip.compress(content, mtime=0) for name, content in fake_files().items()}


def fake_info() -> DatasetInfo:
    """Describe a data set named mnist with 60 images and no expected digests."""
    return replace(DATASETS["fashion-mnist"], name="mnist", title="Fake", folder="MNIST", sizes=COUNTS, digests={})


def write_fakes(root: Path, packed: bool = False) -> Path:
    """Write the four files in torchvision's layout and return their folder."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in (fake_archives() if packed else fake_files()).items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(content)
    return folder
