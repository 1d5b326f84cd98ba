"""Downloads beside the app: in a process of their own, because torchvision brings torch into any that asks it.

``python -m core.data.fetching NAME`` downloads a data set and says on its output, one JSON object a line, how far it
is: ``{"done": bytes, "total": bytes}``, and at most once ``{"problem": ..., "remedy": ...}``. It stops, leaving no half
file, when its input is closed: on request, or because the app has ended.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO

from core import settings
from core.data.catalogue import find
from core.data.download import download
from core.errors import AtlasError, DataError


class Fetch:
    """A download in progress or ended.

    Attributes
    ----------
    name : str
        Name of the data set.
    done, total : int
        Bytes so far and in all; 0 until known.
    error : DataError or None
        Why it failed, or that it was stopped.
    heard : threading.Event
        Set once it has said anything, or has ended.
    """

    def __init__(self, name: str, command: Sequence[str] = ()) -> None:
        self.name = find(name).name
        self.done = self.total = 0
        self.error: DataError | None = None
        self.heard = threading.Event()
        self._process = subprocess.Popen(
            [*(command or (sys.executable, "-m", "core.data.fetching")), name],
            cwd=settings.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._listener.is_alive()

    def stop(self) -> None:
        """Ask it to end; it does so at the next chunk."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        self._listener.join(timeout)

    def _listen(self) -> None:
        output = self._process.stdout
        if output is not None:
            self._read(output)
            output.close()
        code = self._process.wait()
        if code != 0 and self.error is None:
            self.error = DataError(f"the download of {self.name} ended with code {code}", "Start it again")
        self.stop()
        self.heard.set()

    def _read(self, output: IO[str]) -> None:
        for line in output:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if "problem" in said:
                self.error = DataError(str(said["problem"]), str(said.get("remedy", "")))
            else:
                self.done, self.total = int(said.get("done", 0)), int(said.get("total", 0))
            self.heard.set()


_fetches: dict[str, Fetch] = {}
_lock = threading.Lock()


def fetch(name: str) -> Fetch:
    """Start the download of a data set, or return the one that runs.

    Raises
    ------
    DataError
        If there is no such data set, or this deployment is read-only.
    """
    if settings.read_only():
        raise DataError("downloads are switched off here", "Run the app on your own machine")
    with _lock:
        running = _fetches.get(name)
        if running is None or not running.running:
            _fetches[name] = Fetch(name)
        return _fetches[name]


def current(name: str) -> Fetch | None:
    """Return the download of a data set that runs or ended in this process, if any."""
    return _fetches.get(name)


def main(words: Sequence[str], source: IO[str]) -> int:
    """Download the data set named by the first word; see the module's description."""
    stopped = threading.Event()

    def watch() -> None:
        source.read()
        stopped.set()

    threading.Thread(target=watch, daemon=True).start()

    def say(**values: object) -> None:
        print(json.dumps(values), flush=True)

    try:
        download(words[0], lambda done, total: say(done=done, total=total), stopped.is_set)
    except AtlasError as error:
        say(problem=error.problem, remedy=error.remedy)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin))
