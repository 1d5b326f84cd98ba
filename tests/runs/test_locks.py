"""Locks are held by one at a time, and end with the process that holds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from core.runs import locks
from core.runs.locks import Lock, held
from core.settings import ROOT

HOLDER = """
import sys
from pathlib import Path
from core.runs.locks import Lock

lock = Lock.take(Path(sys.argv[1]))
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path: Path):
    file = tmp_path / "lock"
    assert held(file) is False  # no file yet
    with Lock.take(file) as lock:
        assert held(file) is True
        assert Lock.take(file) is None
        lock.release()
        lock.release()  # a second time does nothing
        assert held(file) is False
    with Lock.take(file):
        assert held(file) is True
    assert held(file) is False


def test_a_killed_holder_holds_no_more(tmp_path: Path):
    file = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert held(file) is True
        assert Lock.take(file) is None
        process.kill()
        process.wait()
        assert held(file) is False
        with Lock.take(file) as lock:
            assert lock is not None


def test_a_child_process_does_not_inherit_a_lock(tmp_path: Path):
    file = tmp_path / "lock"
    lock = Lock.take(file)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE):
        lock.release()
        assert held(file) is False


def test_where_there_are_no_locks_nobody_is_refused_and_nobody_knows(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(locks, "_try", lambda descriptor, *, shared: None)
    file = tmp_path / "lock"
    with Lock.take(file):
        assert held(file) is None
        assert Lock.take(file) is not None
