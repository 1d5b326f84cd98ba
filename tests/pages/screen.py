"""What the tests of the screen share: an app of one script over tiny runs, a queue that starts nothing."""

from concurrent.futures import Executor, Future

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
