"""What is known of the data sets without reading them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from core.data import DATASETS, DatasetInfo
from core.data.catalogue import find
from core.errors import DataError

ALL = list(DATASETS.values())


def test_names_and_order() -> None:
    assert list(DATASETS) == ["mnist", "mnist-5k", "fashion-mnist"]
    assert all(info.name == name for name, info in DATASETS.items())


def test_sizes_of_the_design() -> None:
    whole = {"train": 55_000, "validation": 5_000, "test": 10_000}
    assert dict(DATASETS["mnist"].sizes) == whole == dict(DATASETS["fashion-mnist"].sizes)
    assert dict(DATASETS["mnist-5k"].sizes) == {"train": 4_000, "validation": 1_000}


@pytest.mark.parametrize("info", ALL, ids=DATASETS)
def test_describes_itself_whole(info: DatasetInfo) -> None:
    assert len(info.classes) == len(set(info.classes)) == 10
    assert all((info.title, info.source, info.licence))
    assert info.validation_per_class * 10 == info.sizes["validation"]
    assert all(len(digest) == 64 and int(digest, 16) for digest in info.digests.values())


def test_training_digest_is_never_expected() -> None:
    assert [info.name for info in ALL if "train" in info.digests] == []


def test_bundled_sample_is_expected_to_be_the_validation_split() -> None:
    assert DATASETS["mnist-5k"].digests["all"] == DATASETS["mnist"].digests["validation"]


def test_download_sizes() -> None:
    assert {name: info.download_mb for name, info in DATASETS.items()} == {
        "mnist": 11,
        "mnist-5k": 0,
        "fashion-mnist": 29,
    }


@pytest.mark.parametrize("info", ALL, ids=DATASETS)
def test_is_frozen_and_hashable(info: DatasetInfo) -> None:
    with pytest.raises(FrozenInstanceError):
        info.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        info.sizes["train"] = 1  # type: ignore[index]
    assert hash(info) == hash(find(info.name))


@pytest.mark.parametrize("name", ["", "MNIST", "../mnist", "cifar10", "x" * 500, 3, None, ["mnist"]])
def test_unknown_name_lists_the_known(name: object) -> None:
    with pytest.raises(DataError, match="mnist, mnist-5k, fashion-mnist") as caught:
        find(name)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200
