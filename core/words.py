"""Numbers, times and foreign text in words, as every page writes them."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

MINUS = "\N{MINUS SIGN}"
MOST_CHARACTERS = 500
JOINER = "\u2060"  # of no width: keeps apart what a page would turn into a symbol, an icon or an emoji
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>$~|#!:@&^])|^[-+=]")
_SYMBOLS = re.compile(r"(?<=[<>~=\-])(?=[<>=\-])|(?<=:)(?=[\w+\-/]+:)|(?<=www)(?=\.)")


def as_text(text: object, *, code: bool = False) -> str:
    """Return text from a run, an upload or a link so that a page shows it as it is: in Markdown, nothing of it acts.

    No image is loaded, no link made, no formula or icon drawn. One line of at most MOST_CHARACTERS; control and format
    characters, and bytes that are no text, become a replacement character.

    Parameters
    ----------
    text
        Text that somebody else wrote.
    code
        Keep what stands between two backticks as code, as in the project's own error messages.
    """
    line = " ".join(str(text)[: 2 * MOST_CHARACTERS].split())
    line = "".join("\ufffd" if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Co"} else one for one in line)
    line = line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"
    parts = re.split(r"(`[^`]+`)", line) if code else [line]
    return "".join(one if index % 2 else _escaped(one) for index, one in enumerate(parts))


def _escaped(text: str) -> str:
    text = re.sub(r"^\d+(?=[.)])", lambda found: found[0] + JOINER, JOINER.join(_SYMBOLS.split(text)))  # no list
    return _ACTIVE.sub(lambda found: "\\" + found[0], text)


def number(value: float, form: str = "{:g}") -> str:
    """Return a number by a format string such as ``"{:,.2f} nats"``, with a true minus sign."""
    return form.format(value).replace("-", MINUS)


def count(n: int, noun: str) -> str:
    """Return a count with its noun: ``1 epoch``, ``12,000 images``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a duration: ``0.4 s``, ``48 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def when(time: datetime) -> str:
    """Return an aware time as ``21 Nov, 09:30`` in this machine's time zone."""
    here = time.astimezone()
    return f"{here.day} {here:%b, %H:%M}"


def megabytes(size: int) -> str:
    """Return a size in bytes as megabytes of 2**20 bytes: ``11 MB``."""
    return f"{size / 2**20:,.0f} MB"
