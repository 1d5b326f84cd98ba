"""Tables that were read are found again, and never after their file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from core.runs.memory import SETTLED_NS, Memory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    write(path, "a\n1\n")
    return path


def write(path: Path, text: str, age_ns: int = 10 * SETTLED_NS) -> None:
    path.write_text(text)
    when = path.stat().st_mtime_ns - age_ns
    os.utime(path, ns=(when, when))


class Reader:
    """Reads a file and counts how often."""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0

    def __call__(self) -> pd.DataFrame:
        self.count += 1
        return pd.read_csv(self.path)


def test_a_settled_file_is_read_once_and_a_changed_one_anew(file: Path):
    memory, read = Memory(4), Reader(file)
    assert [memory.frame(file, None, read)["a"].tolist() for _ in range(3)] == [[1]] * 3
    assert read.count == 1
    write(file, "a\n2\n")
    assert memory.frame(file, None, read)["a"].tolist() == [2]
    assert memory.frame(file, "another digest", read)["a"].tolist() == [2]
    assert read.count == 3


def test_a_file_just_written_is_not_kept(file: Path):
    memory, read = Memory(4), Reader(file)
    write(file, "a\n1\n", age_ns=0)
    memory.frame(file, None, read)
    memory.frame(file, None, read)
    assert read.count == 2


def test_what_one_reader_writes_no_other_sees(file: Path):
    memory, read = Memory(4), Reader(file)
    first = memory.frame(file, None, read)
    first["a"] = 9
    first.loc[0, "b"] = 1
    again = memory.frame(file, None, read)
    again.iloc[0, 0] = 7
    assert memory.frame(file, None, read).to_dict("list") == {"a": [1]}


def test_it_is_bounded_and_errors_are_not_kept(file: Path):
    memory, read = Memory(2), Reader(file)
    for about in (1, 2, 3, 1):
        memory.frame(file, about, read)
    assert read.count == 4
    file.unlink()
    with pytest.raises(FileNotFoundError):
        memory.frame(file, 1, read)
