"""The project's errors: each says what is wrong and what to do about it."""

from __future__ import annotations


class AtlasError(Exception):
    """A problem that the reader can remedy; shown as one line, never as a traceback.

    Parameters
    ----------
    problem
        What is wrong, naming the value or the file.
    remedy
        What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = _line(problem)
        self.remedy = _line(remedy)
        # args must be the constructor's own, or the error cannot be unpickled on its way back from a worker process
        super().__init__(self.problem, self.remedy)

    def __str__(self) -> str:
        """Return the problem and the remedy as one line."""
        return f"{self.problem}. {self.remedy}."


def _line(text: str) -> str:
    """Return a text as one line that every encoding of Unicode takes: bytes of a path that are no text as escapes."""
    return " ".join(text.split()).rstrip(". ").encode("utf-8", "backslashreplace").decode("utf-8")


class DataError(AtlasError):
    """A data set, an image or a reader's upload cannot be used."""


class ConfigError(AtlasError):
    """A setting, a config value or a name is not allowed."""


class RunError(AtlasError):
    """A run does not read, does not exist, or may not be changed."""


class JobError(AtlasError):
    """A training cannot be queued, stopped or resumed."""
