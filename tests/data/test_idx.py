"""The IDX reader: what it reads, and that nothing damaged gets through."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.files import zipped
from core.data.idx import IMAGES_PER_READ, read_images, read_labels
from core.errors import DataError
from tests.data.fakes import fake_info, idx_bytes

INFO = fake_info()
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2])


def written(path: Path, content: bytes, packed: bool) -> Path:
    (zipped(path) if packed else path).write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.fixture(params=[False, True], ids=["plain", "gzipped"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Path]:
    return lambda content: written(tmp_path / "file-ubyte", content, request.param)


def test_reads_images(write: Callable[[bytes], Path]) -> None:
    images = read_images(INFO, write(idx_bytes(IMAGES)), 7)
    assert images.dtype == np.uint8
    assert np.array_equal(images, IMAGES)


def test_reads_labels(write: Callable[[bytes], Path]) -> None:
    labels = read_labels(INFO, write(idx_bytes(LABELS)), 7)
    assert labels.dtype == np.int64
    assert np.array_equal(labels, LABELS)


def test_puts_images_in_place(write: Callable[[bytes], Path]) -> None:
    place = np.array([6, 0, 2, 1, 5, 3, 4])
    images = read_images(INFO, write(idx_bytes(IMAGES)), 7, place)
    assert all(np.array_equal(images[place[i]], IMAGES[i]) for i in range(7))


@pytest.mark.parametrize("count", [IMAGES_PER_READ - 1, IMAGES_PER_READ, IMAGES_PER_READ + 1])
def test_blocks_join_without_a_seam(tmp_path: Path, count: int) -> None:
    images = RNG.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    path = written(tmp_path / "file-ubyte", idx_bytes(images), False)
    place = RNG.permutation(count)
    assert np.array_equal(read_images(INFO, path, count, place)[place], images)


def test_reordering_costs_no_second_copy(tmp_path: Path) -> None:
    images = np.zeros((10 * IMAGES_PER_READ, 28, 28), dtype=np.uint8)
    path = written(tmp_path / "file-ubyte", idx_bytes(images), True)
    place = RNG.permutation(len(images))
    tracemalloc.start()
    try:
        read_images(INFO, path, len(images), place)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert images.nbytes <= peak < 1.5 * images.nbytes


def test_unpacked_file_wins_over_its_archive(tmp_path: Path) -> None:
    path = written(tmp_path / "file-ubyte", idx_bytes(LABELS), False)
    written(path, b"never opened", True)
    assert np.array_equal(read_labels(INFO, path, 7), LABELS)


GOOD = idx_bytes(IMAGES)
BAD_IMAGES = {
    "empty": (b"", "ends too early"),
    "within the header": (GOOD[:9], "ends too early"),
    "header only": (GOOD[:16], "ends too early"),
    "last byte lost": (GOOD[:-1], "ends too early"),
    "one byte more": (GOOD + b"\0", "goes on after"),
    "not zero": (b"\1" + GOOD[1:], "begins with"),
    "signed bytes": (GOOD[:2] + b"\x09" + GOOD[3:], "begins with 00000903 where 00000803"),
    "labels": (idx_bytes(LABELS), "begins with 00000801 where 00000803"),
    "other count": (idx_bytes(IMAGES[:6]), r"shape \(6, 28, 28\) where \(7, 28, 28\)"),
    "other size": (idx_bytes(IMAGES[:, :, :27]), r"shape \(7, 28, 27\)"),
    "little-endian": (GOOD[:4] + b"\x07\0\0\0" + GOOD[8:], "shape"),
}


@pytest.mark.parametrize(("content", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_damaged_images_name_file_and_remedy(write: Callable[[bytes], Path], content: bytes, message: str) -> None:
    path = write(content)
    with pytest.raises(DataError, match=message) as caught:
        read_images(INFO, path, 7)
    assert str(path) in caught.value.problem
    assert caught.value.remedy == "Delete it and run `python -m core data mnist`"


def test_label_beyond_the_classes(write: Callable[[bytes], Path]) -> None:
    with pytest.raises(DataError, match="holds the label 10; the largest allowed is 9"):
        read_labels(INFO, write(idx_bytes(np.array([0, 10]))), 2)


@pytest.mark.parametrize("kept", [0, 5, 10, 60, -9, -4, -1])
def test_truncated_archive(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "file-ubyte"
    zipped(path).write_bytes(gzip.compress(GOOD)[:kept])
    with pytest.raises(DataError) as caught:
        read_images(INFO, path, 7)
    assert f"{zipped(path)} is damaged" in caught.value.problem
    assert "python -m core data mnist" in caught.value.remedy


@pytest.mark.parametrize("place", [0, 3, 200, -6], ids=["magic", "flags", "body", "checksum"])
def test_archive_with_a_flipped_byte(tmp_path: Path, place: int) -> None:
    content = bytearray(gzip.compress(GOOD))
    content[place] ^= 0xFF
    zipped(tmp_path / "file-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=r"file-ubyte\.gz is damaged"):
        read_images(INFO, tmp_path / "file-ubyte", 7)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is missing.*python -m core data mnist"):
        read_labels(INFO, tmp_path / "file-ubyte", 7)


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file-ubyte").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(INFO, tmp_path / "file-ubyte", 7)
