"""How many pictures a second the film draws while it is scrubbed and while it plays, in Chromium.

``python -m tests.benchmarks.bench_film`` or ``pytest -m benchmark -s tests/benchmarks/bench_film.py``. Prints figures,
asserts none. To reach: 30 a second, with no message to the server.
"""

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import driving

pytestmark = pytest.mark.benchmark
PAGES = ("vae", "latent_vae", "log_probability")

# Moves the slider one epoch a picture for two seconds; returns pictures and seconds.
SCRUB = """
async bar => {
  const time = bar.querySelector('.time')
  const [begun, most] = [performance.now(), Number(time.max)]
  let pictures = 0
  while (performance.now() - begun < 2000) {
    time.value = String(pictures % (most + 1))
    time.dispatchEvent(new Event('input', { bubbles: true }))
    await new Promise(done => requestAnimationFrame(done))
    pictures += 1
  }
  return [pictures, (performance.now() - begun) / 1000]
}
"""

# Plays at 60 epochs a second from the first epoch to the last; returns epochs shown, and seconds.
PLAY = """
async bar => {
  bar.querySelector('.first').click()
  const speed = bar.querySelector('select')
  speed.value = '60'
  speed.dispatchEvent(new Event('change'))
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  const seen = new Set()
  const begun = performance.now()
  bar.querySelector('.play').click()
  while (bar.querySelector('.play').getAttribute('aria-label') === 'Pause') {
    await new Promise(done => requestAnimationFrame(done))
    seen.add(bar.dataset.epoch)
  }
  return [seen.size, (performance.now() - begun) / 1000]
}
"""


def measured(page, url):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(payload)))
    driving.open_page(page, url)
    page.locator(".film[data-ready='true'][data-epoch]").first.wait_for()
    bar = driving.keyed(page, "epoch-bar").locator(".bar")
    before = len(sent)
    scrubbed = bar.evaluate(SCRUB)
    during = len(sent) - before
    return scrubbed, during, bar.evaluate(PLAY)


def test_pictures_a_second(tmp_path):
    app = driving.App(tmp_path)
    app.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=driving.find_chromium(), args=list(driving.FLAGS))
            print("\npage              scrubbed, pictures/s   messages   played at 60/s, epochs/s")
            for name in PAGES:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                (pictures, seconds), sent, (epochs, played) = measured(page, f"{app.url}/{name}")
                print(f"{name:16}  {pictures / seconds:15.0f}   {sent:14}   {epochs / played:20.0f}")
                page.close()
            browser.close()
    finally:
        app.stop()


if __name__ == "__main__":
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        test_pictures_a_second(Path(folder))
