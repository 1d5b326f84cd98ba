"""Trainings that wait for their data: the download first, then the queue, whether or not a page looks on."""

from __future__ import annotations

import threading

from core.data import fetching
from core.errors import AtlasError
from core.jobs.queue import queue
from core.options import Config
from core.runs.store import Run


class Waiting:
    """A training that begins when its data are here.

    Attributes
    ----------
    experiment : str
        Name of the experiment.
    config : Config
        What is to be trained.
    fetch : Fetch
        The download, which others may share.
    run : Run or None
        The queued run, once there is one.
    error : AtlasError or None
        Why there is none.
    """

    def __init__(self, experiment: str, config: Config, fetch: fetching.Fetch) -> None:
        self.experiment, self.config, self.fetch = experiment, config, fetch
        self.run: Run | None = None
        self.error: AtlasError | None = None
        self._thread = threading.Thread(target=self._wait, name="waiting", daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Whether it still waits."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the download, and with it the wait."""
        self.fetch.stop()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run is queued or will not be."""
        self._thread.join(timeout)

    def _wait(self) -> None:
        self.fetch.wait()
        if self.fetch.error is not None:
            self.error = self.fetch.error
            return
        try:
            self.run = queue().submit(self.experiment, self.config)
        except AtlasError as error:
            self.error = error


_waiting: list[Waiting] = []
_lock = threading.Lock()


def train_after_download(experiment: str, config: Config) -> Waiting:
    """Download a config's data and train then; return what waits, the same one if it is asked for twice.

    Raises
    ------
    JobError
        If this deployment would not train that config even with its data here.
    DataError
        If downloads are switched off.
    """
    queue().check(config)
    with _lock:
        _waiting[:] = [one for one in _waiting if one.active]
        same = [one for one in _waiting if (one.experiment, one.config) == (experiment, config)]
        if not same:
            _waiting.append(Waiting(experiment, config, fetching.fetch(config.data)))
        return (same or _waiting)[-1]


def waiting_of(experiment: str) -> Waiting | None:
    """Return the training of that experiment that was last asked for and still waits for its data, if any."""
    with _lock:
        return next((one for one in reversed(_waiting) if one.experiment == experiment and one.active), None)
