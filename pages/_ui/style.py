"""The few rules of style that the theme cannot express."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st


@cache
def _rules() -> str:
    return f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"


def apply() -> None:
    """Add the rules to the page; takes no room."""
    st.html(_rules())
