"""What was read of files that have settled, kept for the next reader: bounded, shared by all threads."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path

import pandas as pd

SETTLED_NS = 2_000_000_000  # a file that was written since may be written again within one tick of its clock


class Memory:
    """The latest tables that were read, each with the state its file was in.

    Parameters
    ----------
    most
        Tables that are kept; the one that was not asked for longest goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, pd.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def frame(self, file: Path, about: Hashable, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Return what ``read`` gives of a file, read anew only where the file or ``about`` has changed.

        The result is the caller's own: pandas copies what is written to. Errors are not kept.
        """
        try:
            stat = file.stat()
        except OSError:  # reading says what is wrong
            return read()
        if time.time_ns() - stat.st_mtime_ns < SETTLED_NS:
            return read()
        key = (str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, about)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
        if found is None:
            found = read()
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return found.copy(deep=False)
