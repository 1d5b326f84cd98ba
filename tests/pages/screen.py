"""What the tests of the screen share: an app of one script over tiny runs, a queue that starts nothing."""

from concurrent.futures import Executor, Future

from streamlit.testing.v1 import AppTest

from pages._ui.show.story import linked

TIMEOUT_S = 30


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
