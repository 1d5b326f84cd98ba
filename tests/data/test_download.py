"""Downloads against a server on this machine: whole files or none, whatever the network does."""

from __future__ import annotations

import hashlib
import importlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torchvision.datasets

from core.data import DATASETS, availability, download, load
from core.errors import DataError
from tests.data.fakes import fake_archives, fake_files, fake_info, write_fakes

download_module = importlib.import_module("core.data.download")
FIRST = "train-images-idx3-ubyte"


@dataclass
class Mirror:
    """A server that gives the files in ``bodies``, and what it was asked for."""

    url: str = ""
    bodies: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, int] = field(default_factory=dict)  # a Content-Length that is not the body's
    silent: bool = False  # no Content-Length at all
    together: threading.Barrier | None = None  # answer only when this many requests are there
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """Run a server on a free port until the test ends."""
    state = Mirror(bodies={f"{name}.gz": body for name, body in fake_archives().items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            state.asked.append(self.path)
            if name not in state.bodies or self.path.startswith("/absent/"):
                self.send_error(404)
                return
            if state.together is not None:
                state.together.wait(timeout=20)
            body = state.bodies[name]
            self.send_response(200)
            if not state.silent:
                self.send_header("Content-Length", str(state.announced.get(name, len(body))))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(fake_mnist: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point torchvision's MNIST at the server; return the folder where the files belong, not made yet."""
    archives = fake_archives()
    info = replace(fake_info(), archives={name: len(body) for name, body in archives.items()})
    monkeypatch.setitem(DATASETS, "mnist", info)
    resources = [(f"{name}.gz", hashlib.md5(body).hexdigest()) for name, body in archives.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    use_mirrors(monkeypatch, mirror.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return fake_mnist / "MNIST" / "raw"


def use_mirrors(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", list(urls))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fails(match: str) -> DataError:
    with pytest.raises(DataError, match=match) as caught:
        download("mnist")
    assert "\n" not in str(caught.value)
    return caught.value


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_brings_everything_and_says_how_far_it_is(folder: Path) -> None:
    before = availability("mnist")
    seen: list[tuple[int, int]] = []
    download("mnist", progress=lambda done, total: seen.append((done, total)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == fake_files()
    assert {total for _, total in seen} == {before.bytes_to_download}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (before.bytes_to_download, before.bytes_to_download)
    assert availability("mnist").message == "on this machine"
    assert len(load("mnist", "test")) == 10


def test_brings_only_what_is_missing(folder: Path, fake_mnist: Path, mirror: Mirror) -> None:
    write_fakes(fake_mnist)
    lost = folder / "t10k-labels-idx1-ubyte"
    lost.unlink()
    (folder / FIRST).write_bytes(b"cut off")
    seen: list[tuple[int, int]] = []
    download("mnist", progress=lambda done, total: seen.append((done, total)))
    assert mirror.asked == [f"/{FIRST}.gz", "/t10k-labels-idx1-ubyte.gz"]
    assert seen[-1][0] == seen[-1][1] == sum(DATASETS["mnist"].archives[name] for name in (FIRST, lost.name))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == fake_files()


def test_asks_nobody_if_all_is_there(folder: Path, fake_mnist: Path, mirror: Mirror) -> None:
    write_fakes(fake_mnist)
    download("mnist")
    assert mirror.asked == []


def test_bundled_data_need_no_download(folder: Path, mirror: Mirror) -> None:
    download("mnist-5k")
    assert mirror.asked == []


def test_unknown_name() -> None:
    with pytest.raises(DataError, match="The data sets are: mnist"):
        download("emnist")


@pytest.mark.parametrize("silent", [False, True], ids=["with its length", "without length"])
def test_truncated_body(folder: Path, mirror: Mirror, silent: bool) -> None:
    body = mirror.bodies[f"{FIRST}.gz"]
    mirror.bodies[f"{FIRST}.gz"], mirror.announced[f"{FIRST}.gz"] = body[:1000], len(body)
    mirror.silent = silent
    error = fails("another checksum" if silent else f"ended after 1,000 of {len(body):,} bytes")
    assert f"{FIRST}.gz from 127.0.0.1" in error.problem
    assert all(hint in error.remedy for hint in ("try again", str(folder), "mnist-5k"))
    assert names(folder) == set()


def test_wrong_checksum(folder: Path, mirror: Mirror) -> None:
    body = bytearray(mirror.bodies[f"{FIRST}.gz"])
    body[len(body) // 2] ^= 1
    mirror.bodies[f"{FIRST}.gz"] = bytes(body)
    assert "another checksum (md5 " in fails("could not be downloaded").problem
    assert names(folder) == set()


def test_right_checksum_of_what_is_no_archive(folder: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.bodies[f"{FIRST}.gz"] = b"<html>Please log in</html>"
    checksum = hashlib.md5(mirror.bodies[f"{FIRST}.gz"]).hexdigest()
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", [(f"{FIRST}.gz", checksum)])
    assert "does not unpack" in fails("could not be downloaded").problem
    assert names(folder) == set()


def test_endless_body_is_cut_off(folder: Path, mirror: Mirror) -> None:
    mirror.bodies[f"{FIRST}.gz"] = bytes(10 * len(mirror.bodies[f"{FIRST}.gz"]))
    assert "gave more than" in fails("could not be downloaded").problem
    assert names(folder) == set()


def test_files_that_were_whole_before_a_failure_stay(folder: Path, mirror: Mirror) -> None:
    del mirror.bodies["t10k-labels-idx1-ubyte.gz"]
    assert "t10k-labels-idx1-ubyte.gz from 127.0.0.1: answered 404" in fails("could not be downloaded").problem
    assert names(folder) == set(fake_files()) - {"t10k-labels-idx1-ubyte"}


def test_second_mirror_after_404(folder: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirrors(monkeypatch, f"{mirror.url}absent/", mirror.url)
    download("mnist")
    assert mirror.asked[:2] == [f"/absent/{FIRST}.gz", f"/{FIRST}.gz"]
    assert names(folder) == set(fake_files())


def test_connection_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirrors(monkeypatch, f"http://127.0.0.1:{closed_port()}/", f"http://127.0.0.1:{closed_port()}/")
    error = fails("could not be downloaded")
    assert error.problem.count("127.0.0.1: cannot be reached") == 2
    assert names(folder) == set()


def test_answer_that_is_not_http(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening, ThreadPoolExecutor(1) as pool:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def babble() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 smtp ready\r\n\r\n")

        done = pool.submit(babble)
        use_mirrors(monkeypatch, f"http://127.0.0.1:{listening.getsockname()[1]}/")
        assert "cannot be reached" in fails("could not be downloaded").problem
        done.result()
    assert names(folder) == set()


def test_stop(folder: Path) -> None:
    chunks: list[int] = []
    with pytest.raises(DataError, match="download was stopped"):
        download("mnist", progress=lambda done, _: chunks.append(done), should_stop=lambda: bool(chunks))
    assert names(folder) == {FIRST}  # one chunk holds all of it; the second file was not finished
    assert not availability("mnist").ready


def test_interruption_leaves_nothing(folder: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("mnist", progress=interrupt)
    assert names(folder) == set()


def test_two_at_once_do_not_meet(folder: Path, mirror: Mirror) -> None:
    mirror.together = threading.Barrier(2)  # each file is given to both at the same time
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(download, "mnist") for _ in range(2)]:
            one.result()
    assert len(mirror.asked) == 2 * len(fake_files())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == fake_files()


def test_sweeps_up_after_killed_downloads_only(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, running = (folder / f".{FIRST}.gz.{pid}-abcd.part" for pid in (1, 2))
    for path in (old, running):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    download("mnist")
    assert names(folder) == {*fake_files(), running.name}


def test_folder_that_cannot_be_made(folder: Path, fake_mnist: Path, mirror: Mirror) -> None:
    (fake_mnist / "MNIST").write_text("a file in the way")
    error = fails("Fake cannot be saved under")
    assert "EPOCH_ATLAS_DATA" in error.remedy
    assert mirror.asked == []


def test_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download_module.shutil, "copyfileobj", full)
    assert "No space left on device" in fails("cannot be saved under").problem
    assert names(folder) == set()


def test_torchvision_that_does_not_load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(download_module.importlib, "import_module", broken)
    assert "requirements.txt" in fails("cannot be imported").remedy


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_torchvision_lists_the_files_of_the_catalogue(name: str) -> None:
    mirrors, checksums = download_module._torchvision_sources(DATASETS[name])
    assert mirrors
    assert all(url.startswith("http") and url.endswith("/") for url in mirrors)
    assert set(checksums) == {f"{file}.gz" for file in DATASETS[name].archives}
    assert all(len(checksum) == 32 for checksum in checksums.values())
