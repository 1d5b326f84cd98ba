"""What the tests of the screen share: an app of one script over tiny runs, a queue that starts nothing."""

import io
import json
from concurrent.futures import Executor, Future

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.settings import ROOT
from pages._ui.show.story import linked

TIMEOUT_S = 30
PAGE_S = 120  # a whole page, on a busy machine


class Idle(Executor):
    """An executor that takes every job and never starts it."""

    def __init__(self):
        self.taken = []

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.taken.append(args)
        return future


def script_of(function, **query):
    """Return the app of one script (a function with its own imports), not run yet."""
    at = AppTest.from_function(function, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        at.query_params[name.replace("__", ".")] = value
    return at


def app_at(name, run=None, **query):
    """Return the app with the address of a page, not run yet; a name's ``__`` stands for the dot of an option's.

    The page is asked for before the first run, as a link does, so home is not run for it. Streamlit knows it by its
    file's name then, which is its address.
    """
    at = AppTest.from_file(ROOT / "streamlit_app.py", default_timeout=PAGE_S)
    if run is not None:
        query["run"] = getattr(run, "id", run)
    for key, value in query.items():
        at.query_params[key.replace("__", ".")] = str(value)
    return at if name == "home" else at.switch_page(f"pages/{name}.py")


def open_page(name, run=None, **query):
    """Open a page by its address, of a run (or of an id) where one is given; an exception on it fails the test."""
    at = app_at(name, run, **query).run()
    assert not at.exception, at.exception
    return at


def texts(at):
    """All text on the page, one string."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "warning", "error", "info", "html", "metric")
    parts = [str(one.value) for kind in kinds for one in getattr(at, kind)]
    parts += [str(getattr(one, "label", "")) for kind in ("metric", "expander", "button") for one in at.get(kind)]
    parts += [one.proto.title for kind in ("warning", "error", "info") for one in getattr(at, kind)]
    return "\n".join(parts)


def untold(at, told):
    """Return what a story says and its page does not show: figures, titles, help, verdict, explanation."""
    figures = [text for one in told.figures for text in (one.label, one.text(one.value), one.small_print)]
    panels = [text for section in told.sections for one in section.panels for text in (one.title, one.help)]
    said = [*figures, *panels, *told.verdict.answer, *told.verdict.more, told.how.text]
    shown = texts(at)
    return [text for text in said if linked(text) not in shown]


def unpack(data):
    """Return head and files of a film's block of bytes, as the browser reads them."""
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length], parse_constant=lambda name: pytest.fail(f"{name} is not strict JSON"))
    at, files = -(-(4 + length) // 8) * 8, []
    for track in head["tracks"]:
        for strip in track["strips"]:
            for _, size, _ in strip["frames"]:
                files.append(data[at : at + size])
                at += -(-size // 8) * 8
    assert at == len(data)
    return head, files


def film(at, alt):
    """Return the strips of the film's track whose alt text begins so, each as pixels by epoch (0: it stands still)."""
    found = []
    for one in at.get("bidi_component"):
        if one.proto.component_name != "epoch_atlas.film":
            continue
        head, files = unpack(one.proto.bytes)
        left = iter(files)
        for track in head["tracks"]:
            strips = [{frame[0]: next(left) for frame in strip["frames"]} for strip in track["strips"]]
            if track["alt"].startswith(alt):
                found.append([{epoch: pixels(png) for epoch, png in strip.items()} for strip in strips])
    (track,) = found
    return track


def pixels(png):
    """Return the pixels of a PNG file."""
    return np.asarray(Image.open(io.BytesIO(png)))


def scrubber(at):
    """Return the epoch of the page's scrubber and the epochs it offers; None and none where there is no scrubber."""
    for one in at.get("bidi_component"):
        if one.proto.component_name == "epoch_atlas.epoch_bar":
            said = json.loads(one.proto.json)
            return said["at"], said["epochs"]
    for one in at.select_slider:
        if one.label == "Epoch":
            return one.value, [int(text) for text in one.options]
    return None, []


def rest(at, epoch):
    """Let the reader bring the page's scrubber to rest at an epoch, and run the page."""
    for one in at.select_slider:
        if one.label == "Epoch":
            return one.set_value(epoch).run()
    at.session_state[f"{at.session_state['_chapter']}:epoch"] = epoch
    return at.run()
