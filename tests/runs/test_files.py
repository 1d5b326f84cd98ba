"""Atomic writes survive a killed writer; reading refuses what is no plain file."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RunError
from core.runs.files import (
    clear_temporary,
    parse_json,
    read_inside,
    write_atomic,
    write_bytes,
    write_csv,
    write_json,
)
from core.settings import ROOT

# writes half of a new version, says so, and waits to be killed
HALF_WRITER = """
import sys
from pathlib import Path
from core.runs.files import write_atomic

def write(temporary):
    with open(temporary, "wb") as file:
        file.write(b'{"version": 2, "half')
        file.flush()
        print("half", flush=True)
        sys.stdin.read()

write_atomic(Path(sys.argv[1]), write)
"""

# writes version after version until it is killed
BUSY_WRITER = """
import itertools, sys
from pathlib import Path
from core.runs.files import write_json

print("ready", flush=True)
for version in itertools.count(2):
    write_json(Path(sys.argv[1]), {"version": version, "body": [version] * 20_000})
"""


def writer(code: str, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(file)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_killed_half_way_the_last_whole_file_remains(tmp_path: Path):
    file = tmp_path / "run.json"
    write_json(file, {"version": 1})
    with writer(HALF_WRITER, file) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert parse_json(file.read_bytes()) == {"version": 1}
    left = [path for path in tmp_path.iterdir() if path != file]
    assert [path.name.startswith(".") for path in left] == [True]  # half a file, under a name nobody reads
    clear_temporary(tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def test_killed_at_any_moment_a_reader_sees_only_whole_files(tmp_path: Path):
    file = tmp_path / "run.json"
    write_json(file, {"version": 1, "body": [1] * 20_000})
    with writer(BUSY_WRITER, file) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = set()
        while len(seen) < 20:
            value = parse_json(file.read_bytes())
            assert value["body"] == [value["version"]] * 20_000
            seen.add(value["version"])
        process.kill()
    value = parse_json(file.read_bytes())
    assert value["body"] == [value["version"]] * 20_000
    assert value["version"] >= max(seen)


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    file = tmp_path / "a.json"
    write_json(file, 1)

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"a\.json cannot be written \(No space left on device\)\. Make room"):
        write_atomic(file, fail)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"1\n"}


def test_a_deleted_run_folder_does_not_come_back(tmp_path: Path):
    with pytest.raises(RunError, match="cannot be written"):
        write_bytes(tmp_path / "gone" / "samples" / "1.png", b"")
    assert not (tmp_path / "gone").exists()
    write_bytes(tmp_path / "samples" / "1.png", b"x")  # the folder of a kind of file is made
    assert (tmp_path / "samples" / "1.png").read_bytes() == b"x"


def test_json_is_strict_both_ways(tmp_path: Path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "a.json", {"x": math.nan})
    assert list(tmp_path.iterdir()) == []
    for text in (b'{"x": NaN}', b"-Infinity", b"1e999", b"[" * 100_000, b"\xff", b"", b"1" * 5000):
        with pytest.raises(ValueError):
            parse_json(text)


@given(st.lists(st.floats(allow_nan=False, width=64), min_size=1, max_size=20))
def test_csv_keeps_every_bit_of_a_float(tmp_path_factory: pytest.TempPathFactory, values: list[float]):
    file = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(file, pd.DataFrame({"x": values}))
    read = pd.read_csv(file)["x"].astype(float).tolist()
    assert [value.hex() for value in read] == [value.hex() for value in values]


def test_reading_refuses_links_pipes_folders_and_large_files(tmp_path: Path):
    folder = tmp_path / "run"
    (folder / "sub").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (folder / "plain").write_bytes(b"12345")
    (folder / "link").symlink_to(secret)
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe")

    assert read_inside(folder, "plain", 5) == b"12345"
    for name, what in {
        "link": "through a link",
        "elsewhere/secret": "through a link",
        "../secret": "through a link",
        "pipe": "no plain file",
        "sub": "no plain file",
    }.items():
        with pytest.raises(OSError, match=what):
            read_inside(folder, name, 5)
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_inside(folder, "plain", 4)
    with pytest.raises(FileNotFoundError):
        read_inside(folder, "nothing", 5)


def test_a_run_folder_may_itself_be_reached_through_a_link(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a").write_bytes(b"a")
    (tmp_path / "runs").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert read_inside(tmp_path / "runs", "a", 1) == b"a"
