"""How long a page's script takes when everything is warm, and how large the server is before a model is probed.

``python -m tests.benchmarks.bench_pages`` or ``pytest -m benchmark -s tests/benchmarks/bench_pages.py``. Prints
figures, asserts none. To reach: a median of 150 ms, and 300 MB.

The script runs in AppTest, over the runs that there are. Beside the wall clock stands the processor time, which a
busy machine does not lengthen. "Scrubbed" reruns change the epoch each time, as a reader who drags the slider does.
The size is that of a fresh process that opens every page once, as the server would.
"""

import os
import statistics
import subprocess
import sys
import time

import pytest
from streamlit.testing.v1 import AppTest

from core.settings import ROOT
from pages._ui.shell import navigation as atlas
from tests.pages.screen import rest, scrubber

pytestmark = pytest.mark.benchmark
REPEATS = 15
PAGES = ["home", *(one.name for members in atlas.chapters().values() for one in members)]


def opened(name):
    """Return the app with a page open and warm."""
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run()
    at.switch_page(f"pages/{name}.py").run()
    assert not at.exception, at.exception
    return at.run()


def timed(act):
    """Return the medians of wall-clock and processor time in ms over the repeats."""
    walls, processors = [], []
    for turn in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        act(turn)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return 1000 * statistics.median(walls), 1000 * statistics.median(processors)


def scrub(at, turn):
    _, epochs = scrubber(at)
    rest(at, epochs[turn % len(epochs)])


def test_warm_reruns():
    print("\npage              warm rerun, wall (processor)     scrubbed, wall (processor)")
    for name in PAGES:
        at = opened(name)
        wall, processor = timed(lambda turn, at=at: at.run())
        line = f"{name:16}  {wall:7.0f} ms ({processor:5.0f} ms)"
        if scrubber(at)[1]:
            wall, processor = timed(lambda turn, at=at: scrub(at, turn))
            line += f"          {wall:7.0f} ms ({processor:5.0f} ms)"
        print(line)


SIZE = """
import sys
from streamlit.testing.v1 import AppTest
for name in sys.argv[1:]:
    at = AppTest.from_file("streamlit_app.py", default_timeout=120).run()
    at.switch_page(f"pages/{name}.py").run()
    assert not at.exception, at.exception
assert "torch" not in sys.modules
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) for line in file if line.startswith("VmRSS")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the process's size from /proc")
def test_size_before_a_model_is_probed():
    done = subprocess.run(
        [sys.executable, "-c", SIZE, *PAGES], cwd=ROOT, capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    print(f"\nall {len(PAGES)} pages opened in one process: {int(done.stdout.split()[-1]) / 1024:.0f} MB")


if __name__ == "__main__":
    test_warm_reruns()
    test_size_before_a_model_is_probed()
