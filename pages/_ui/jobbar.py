"""The slim bar of running and queued jobs on every page: epoch, time left, Stop."""

from __future__ import annotations


def job_bar() -> None:
    """Show a line per active job; nothing when nothing runs."""
