"""How every page begins: navigation seen to, the few rules of style, the bar of running jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from pages._ui.shell import jobbar
from pages._ui.shell import navigation as atlas


@cache
def _rules() -> str:
    return f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"


def begin() -> None:
    """Begin a page: call this before anything is shown."""
    atlas.insist()
    st.html(_rules())
    jobbar.job_bar()
