"""Driving the app in a browser: starting it, waiting for it, hearing its errors. Nothing here sleeps."""

import os
import shutil
import socket
import subprocess
import sys
import threading

from playwright.sync_api import expect

from core.jobs.queue import state
from core.runs.store import RunStore
from core.settings import ROOT
from tests.tools import until

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
IDLE = "[data-testid='stApp'][data-test-script-state='notRunning']"
READY = "You can now view your Streamlit app"
# Streamlit asks for these below a page's address first and then at the root: the browser reports the first as errors.
ASKED_IN_VAIN = ("/_stcore/health", "/_stcore/host-config")
PATIENCE_MS = 60_000
START_S = 180  # a machine that is busy takes its time to import everything


def find_chromium():
    """Return the path of a Chromium on PATH, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def free_port():
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class App:
    """The app in a process of its own, with a runs folder of its own."""

    def __init__(self, runs, **settings):
        self.runs = runs
        self.settings = settings
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.said = []
        self.read = 0  # how many of those lines belong to modules that are done

    @property
    def store(self):
        """The run store over the app's runs folder."""
        return RunStore(own=self.runs)

    def start(self):
        """Start the server and return when it says that it is ready."""
        environment = {**os.environ, "EPOCH_ATLAS_RUNS": str(self.runs), "PYTHONUNBUFFERED": "1"}
        # networks this small gain nothing from threads, and on a busy machine their waiting costs minutes
        environment |= {"EPOCH_ATLAS_THREADS": "1", **self.settings}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py")),
                *("--server.port", str(self.port), "--server.address", "127.0.0.1", "--server.headless", "true"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.said.append(line)
            if READY in line:
                break
        watchdog.cancel()
        if not any(READY in line for line in self.said):
            raise RuntimeError("the app did not start: " + "".join(self.said))
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def _stop_trainings(self):
        """Ask any training that a failed test has left behind to stop: those outlive the app."""
        for run in self.runs.glob("*/*/run.json"):
            (run.parent / "stop").touch()

    def clear(self):
        """Delete the runs and forget what the server said, for the next module."""
        self._stop_trainings()
        until(lambda: not any(state(run).active for run in self.store.list()))
        for experiment in self.runs.iterdir():
            shutil.rmtree(experiment)
        self.read = len(self.said)

    def stop(self):
        """End the server and its trainings."""
        self._stop_trainings()
        self.process.terminate()
        self.process.wait(timeout=20)
        self.process.stdout.close()

    @property
    def tracebacks(self):
        """What the server printed, if an exception was among it."""
        text = "".join(self.said[self.read :])
        return text if "Traceback" in text else ""


def wait_idle(page):
    """Wait until the script has run to its end."""
    page.wait_for_selector(IDLE, timeout=PATIENCE_MS)


def open_page(page, url):
    """Go to an address and wait until the page is drawn, then return the page."""
    page.goto(url)
    wait_idle(page)
    return page


def keyed(page, key):
    """Return what our code gave this key: a container, or a widget's element."""
    return page.locator(f".st-key-{key}")


def press(page, key):
    """Press the button of that key."""
    keyed(page, key).get_by_role("button").click()


def is_real_error(message):
    """Whether a console message is an error of ours."""
    if message.type != "error":
        return False
    return not any(end in (message.location or {}).get("url", "") for end in ASKED_IN_VAIN)


__all__ = ["App", "expect", "find_chromium", "is_real_error", "keyed", "open_page", "press", "wait_idle"]
