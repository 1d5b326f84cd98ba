"""No command fails because of the terminal: closed pipe, narrow encoding, none at all, odd bytes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.cli import main
from core.errors import RunError
from core.runs.store import RunStore
from core.settings import ROOT
from core.terminal import Steady, steady
from tests import stub
from tests import stub_fixtures as conftest
from tests.tools import change, fresh

store, tiny = conftest.store, conftest.tiny  # fixtures
Stream = Callable[[], io.TextIOBase | None]


def narrow(encoding: str) -> Stream:
    return lambda: io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def broken_pipe() -> io.TextIOBase:
    reader, writer = os.pipe()
    os.close(reader)
    return io.TextIOWrapper(io.FileIO(writer, "w"), encoding="utf-8", write_through=True)


def closed() -> io.TextIOBase:
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS: dict[str, Stream] = {
    "ascii": narrow("ascii"),
    "latin-1": narrow("latin-1"),
    "cp437": narrow("cp437"),
    "utf-8": narrow("utf-8"),
    "none": lambda: None,
    "closed": closed,
    "broken pipe": broken_pipe,
    "full disk": lambda: io.TextIOWrapper(io.FileIO("/dev/full", "w"), encoding="utf-8", write_through=True),
}


@pytest.fixture(params=STREAMS)
def streams(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both standard streams are of one kind of terminal."""
    if request.param == "full disk" and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    opened = [STREAMS[request.param](), STREAMS[request.param]()]
    monkeypatch.setattr(sys, "stdout", opened[0])
    monkeypatch.setattr(sys, "stderr", opened[1])
    yield request.param
    for stream in opened:
        with suppress(OSError, ValueError, AttributeError):
            stream.close()


def test_a_training_is_never_lost_to_its_progress_bar(store: RunStore, tiny: str, streams: str):
    assert main(["train", "vae", "--set", "epochs=3", "data=mnist-5k", "--name", "mine"]) == 0
    run = store.get("own/vae/mine")
    assert (run.status, run.history()["epoch"].tolist()) == ("finished", [1, 2, 3])


def test_a_bar_on_a_terminal_that_goes_away(store: RunStore, tiny: str, streams: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Steady, "isatty", lambda self: True)
    assert main(["train", "vae", "--set", "epochs=2", "data=mnist-5k", "--name", "mine"]) == 0
    assert store.get("own/vae/mine").status == "finished"


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["data"], ["train", "--help"], ["evaluate", "vae/ä"], []]
)
def test_no_command_ends_in_a_traceback(store: RunStore, tiny: str, streams: str, words: list[str]):
    change(fresh(store), data={"name": "Zürich 数字 \x1b[31m \udcff"})
    fresh(store, "broken").path.joinpath("run.json").write_text("{", encoding="utf-8")
    assert main(words) in ({2} if not words or words[0] == "evaluate" else {0, 1, 2})


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_json_stays_json(store: RunStore, monkeypatch: pytest.MonkeyPatch, encoding: str):
    change(fresh(store), data={"name": "Zürich 数字 \x1b"})
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding, write_through=True))
    assert main(["list", "--json"]) == 0
    assert json.loads(out.getvalue().decode(encoding))[0]["data"] == "Zürich 数字 \x1b"


def test_text_of_a_run_does_not_command_the_terminal(store: RunStore, capsys: pytest.CaptureFixture[str]):
    change(fresh(store), data={"name": "red \x1b[31m, bell \x07, \x9b31m"})
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert r"red \x1b[31m, bell \x07, \x9b31m" in out


def test_what_only_prints_ends_when_nobody_reads(monkeypatch: pytest.MonkeyPatch):
    stream = broken_pipe()
    steady_stream = Steady(stream, lasting=False)
    with pytest.raises(BrokenPipeError):
        steady_stream.write("first")
    assert steady_stream.write("later") == 5
    stream.close()


def test_the_streams_come_back(capsys: pytest.CaptureFixture[str]):
    before = sys.stdout, sys.stderr
    with steady():
        assert (sys.stdout, sys.stderr) != before
        assert isinstance(sys.stdout, Steady)
    assert (sys.stdout, sys.stderr) == before


def test_an_error_is_text_whatever_the_path(tmp_path: Path):
    error = RunError(f"{os.fsdecode(b'/runs/caf' + bytes([0xE9]))} is missing", "Restore it")
    assert str(error).encode("utf-8").decode() == r"/runs/caf\udce9 is missing. Restore it."


def test_runs_in_a_folder_of_odd_bytes(store: RunStore, tiny: str, tmp_path: Path, monkeypatch, capsys):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    try:
        os.mkdir(folder)
    except OSError:
        pytest.skip("this file system takes no such name")
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", folder)
    assert main(["train", "vae", "--set", "epochs=1", "data=mnist-5k", "--name", "mine"]) == 0
    (Path(folder) / "vae" / "broken").mkdir()
    (Path(folder) / "vae" / "broken" / "run.json").write_text("{", encoding="utf-8")
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert "own/vae/mine" in said.out
    assert r"caf\udce9/vae/broken/run.json: it is no readable JSON" in said.err


def test_the_reader_of_both_streams_leaves(store: RunStore, tiny: str):
    """As ``train … 2>&1 | head -2`` does, in a process of its own, with a narrow encoding."""
    words = [sys.executable, stub.SCRIPT, "train", stub.NAME, "--set", "epochs=4", "data=mnist-5k"]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    process = subprocess.Popen(
        [*words, "--name", "mine"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"Training own/stub/mine")
    process.stdout.close()
    assert process.wait(300) == 0
    run = store.get("own/stub/mine")
    assert (run.status, run.epochs_done) == ("finished", 4)
