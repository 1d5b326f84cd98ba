"""The 2-D GAN: a training of the default preset, the size of its run, and how fast the player scrubs in Chromium.

``python -m tests.benchmarks.bench_gan_2d`` or ``pytest -m benchmark -s tests/benchmarks/bench_gan_2d.py``

Prints figures, asserts none. The training is 3,000 steps with 100 recorded frames, measures and states included, from
``train`` to the end of the evaluation; beside the wall clock stands the processor time, which other work on the machine
does not touch. The player is dragged one frame a picture, as fast as the browser asks for pictures.
"""

import tempfile
import time
from pathlib import Path

import pytest
import torch

from core.chapters.gan_2d.presets import PRESETS
from core.runs.store import Run, RunStore
from core.training.session import new_run, work

pytestmark = pytest.mark.benchmark

DRAG = """
async ([player, pictures]) => {
  const time = player.querySelector('.time')
  const last = Number(time.max)
  const begun = performance.now()
  for (let k = 0; k < pictures; k++) {
    time.value = String(k % (last + 1))
    time.dispatchEvent(new Event('input', { bubbles: true }))
    await new Promise(done => requestAnimationFrame(done))
  }
  return (1000 * pictures) / (performance.now() - begun)
}
"""


def train(folder):
    """Train the default preset and return its run."""
    config = PRESETS["parabola"].config()
    run = new_run(RunStore(folder / "shipped", folder / "own"), "gan_2d", config, "parabola")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors this small gain nothing from a second thread
    begun, worked = time.perf_counter(), time.process_time()
    status = work(run, device="cpu")
    wall, cpu = time.perf_counter() - begun, time.process_time() - worked
    torch.set_num_threads(before)
    size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    print(f"default preset, {config.steps:,} steps, {config.epochs} frames: {status} in {wall:.1f} s wall, {cpu:.1f} s")
    print("  of processor time (goal: 15 s on two cores)")
    print(f"recorded run: {size / 1e6:.2f} MB (goal: at most 2 MB)")
    return Run.read(run.path)


def scrub(folder, pictures=240):
    """Drag the player over the recorded run in Chromium: alone, then beside another."""
    from playwright.sync_api import sync_playwright

    from tests.browser import driving

    path = driving.find_chromium()
    if path is None:
        print("no Chromium is here: scrubbing is not measured")
        return
    app = driving.App(folder / "own")
    app.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=list(driving.FLAGS))
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(120_000)
            for words, query in (("one run", ""), ("two runs", "&with=disjoint")):
                page.goto(f"{app.url}/gan_2d?run=own/gan_2d/parabola{query}")
                player = page.locator(".player[data-frames]").first
                player.wait_for()
                driving.wait_idle(page)
                rate = page.evaluate(DRAG, [player.element_handle(), pictures])
                print(f"scrubbing {words}: {rate:.0f} frames per second (goal: 30)")
            browser.close()
    finally:
        app.stop()


def test_gan_2d():
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        scrub(Path(folder))


if __name__ == "__main__":
    test_gan_2d()
