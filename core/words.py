"""Numbers and times in words, as every page writes them."""

from __future__ import annotations

import re
from datetime import datetime

MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-!|<>~$:&.])")


def count(number: int, noun: str) -> str:
    """Return a count with its noun: ``1 epoch``, ``12,000 images``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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


def when(text: str) -> str:
    """Return an ISO time as ``21 Nov, 09:30`` in this machine's time zone; the text itself if it is none."""
    try:
        time = datetime.fromisoformat(text).astimezone()
    except ValueError:
        return text
    return f"{time.day} {time:%b, %H:%M}"


def megabytes(size: int) -> str:
    """Return a size in bytes as megabytes of 2**20 bytes: ``11 MB``."""
    return f"{size / 2**20:,.0f} MB"


def as_text(text: str) -> str:
    """Return text that a browser, a file or a run brought as Markdown that shows it letter for letter."""
    return MARKUP.sub(r"\\\1", text.replace("\n", " "))
