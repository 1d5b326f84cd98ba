"""Locks that end with the process that holds them.

A run folder is worked on by one process at a time, and a page must know whether that process still lives. Both
questions have one answer: the process holds a lock of the operating system on a file of the folder. The system
drops it when the process ends, however it ends, so there is no stale lock to judge by process ids (which are used
again) or by clocks. The file itself stays, empty, and means nothing.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Self

TRIES, PAUSE_S = 10, 0.02


class Lock:
    """A lock held by this process; release it with :meth:`release` or as a context."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Lock | None:
        """Return the lock on a file (made if need be), or None if someone else holds it.

        On a file system without locks the lock is granted and :func:`held` answers None.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        for _ in range(TRIES):  # a reader that asks whether it is held holds it for an instant
            if _try(descriptor, shared=False) is not False:
                return cls(descriptor)
            time.sleep(PAUSE_S)
        os.close(descriptor)
        return None

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def held(path: Path) -> bool | None:
    """Return whether a living process holds the lock on a file; None where the file system cannot tell."""
    try:
        descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        free = _try(descriptor, shared=True)
        return None if free is None else not free
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int, *, shared: bool) -> bool | None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int, *, shared: bool) -> bool | None:
        """Return True if the lock was got, False if someone else holds it, None if there are no locks here."""
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return None
        return True
