"""Text output that no command fails because of: a closed pipe, a narrow encoding, no terminal, odd bytes in a path."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

# Everything but tab, line feed and carriage return: text from run folders must not command the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Steady(io.TextIOBase):
    """A text stream whose letters always fit, and which drops what nobody can read any more.

    Parameters
    ----------
    stream
        Where text goes; None where the process was started without it.

    Attributes
    ----------
    lasting
        Whether writing goes on in silence once the stream is closed or full. Otherwise that raises OSError, once:
        what only prints need not go on, what trains must.
    """

    def __init__(self, stream: TextIO | None, *, lasting: bool) -> None:
        self._stream = stream
        self.lasting = lasting

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def writable(self) -> bool:
        """Whether text is taken: always."""
        return True

    def isatty(self) -> bool:
        """Whether a person sees it on a terminal."""
        with suppress(OSError, ValueError, AttributeError):
            return bool(self._stream and self._stream.isatty())
        return False

    def fileno(self) -> int:
        """Return the file descriptor; OSError where there is none."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text; letters that the encoding lacks, and control characters, become escapes."""
        if self._stream is not None:
            try:
                self._stream.write(self._fitting(text))
            except (OSError, ValueError) as error:  # ValueError: it has been closed
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def _fitting(self, text: str) -> str:
        text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
        try:
            return text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        except (LookupError, UnicodeError):  # an encoding that Python does not know
            return text.encode("ascii", "backslashreplace").decode("ascii")

    def _lose(self, error: Exception) -> None:
        stream, self._stream = self._stream, None
        with suppress(OSError, ValueError, AttributeError):  # what is still buffered must not fail at the end either
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)
        if not self.lasting and isinstance(error, OSError):
            raise error


@contextmanager
def steady() -> Iterator[Steady]:
    """Make ``sys.stdout`` and ``sys.stderr`` steady; give the first, which is not lasting yet."""
    _occupy()
    before = sys.stdout, sys.stderr
    out, err = Steady(sys.stdout, lasting=False), Steady(sys.stderr, lasting=True)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.lasting = True
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Open nothing in place of standard streams that are closed: the next file opened would take their numbers."""
    with suppress(OSError):
        number = os.open(os.devnull, os.O_RDWR)
        while number <= 2:
            number = os.open(os.devnull, os.O_RDWR)
        os.close(number)
