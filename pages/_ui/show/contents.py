"""The list of a page's sections, at the top of the page; filled when all of them are known."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import streamlit as st

# Where this run of the script lists its sections: each run has a thread, and so a context, of its own.
_contents: ContextVar[tuple[Any, list[tuple[str, str]]] | None] = ContextVar("contents", default=None)


def begin_contents() -> None:
    """Make the place for the page's list of sections: call it where the list stands; :func:`end_contents` fills it."""
    _contents.set((st.container(key="contents"), []))


def end_contents() -> None:
    """Fill the list of sections, once the page has shown them all."""
    found = _contents.get()
    if found is not None and found[1]:
        found[0].caption("On this page: " + " · ".join(f"[{title}](#{anchor})" for title, anchor in found[1]))


def heading(title: str, anchor: str) -> None:
    """Show a section's heading and add it to the page's list."""
    st.subheader(title, anchor=anchor)
    found = _contents.get()
    if found is not None:
        found[1].append((title, anchor))
