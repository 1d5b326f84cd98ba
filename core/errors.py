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
        self.problem = " ".join(problem.split()).rstrip(". ")
        self.remedy = " ".join(remedy.split()).rstrip(". ")
        # args must be the constructor's own, or the error cannot be unpickled on its way back from a worker process
        super().__init__(self.problem, self.remedy)

    def __str__(self) -> str:
        """Return the problem and the remedy as one line."""
        return f"{self.problem}. {self.remedy}."


class DataError(AtlasError):
    """A data set, an image or a reader's upload cannot be used."""


class ConfigError(AtlasError):
    """A setting, a config value or a name is not allowed."""


class RunError(AtlasError):
    """A run does not read, does not exist, or may not be changed."""


class JobError(AtlasError):
    """A training cannot be queued, stopped or resumed."""
