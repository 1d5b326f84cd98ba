"""The pages that there are: the navigation, by group, with the chapters whose page exists."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import Page

from core import settings
from core.registry import EXPERIMENTS, Experiment

GROUPS = (
    "Networks",
    "Autoencoders",
    "Variational models",
    "Few labels",
    "Adversarial models",
    "Workshop",
)
PAGES = settings.ROOT / "pages"
ICON = str(PAGES / "_ui" / "shell" / "icon.svg")

_navigated = False


def page_of(name: str) -> str:
    """Return the file of a chapter's page, relative to the entry file."""
    return f"pages/{name}.py"


def chapters() -> dict[str, list[Experiment]]:
    """Return the experiments that have a page, by group; groups without any are left out."""
    there = [one for one in EXPERIMENTS.values() if (PAGES / f"{one.name}.py").is_file()]
    grouped = {group: [one for one in there if one.group == group] for group in GROUPS}
    return {group: members for group, members in grouped.items() if members}


def configure() -> None:
    """Set the page's title, icon and width: an icon of our own, because Streamlit's would come from elsewhere."""
    st.set_page_config(page_title="Epoch Atlas", page_icon=ICON, layout="wide")
    st.logo(ICON, size="large")


def navigate() -> Page:
    """Declare the navigation and return the page that the reader asked for."""
    global _navigated
    _navigated = True
    sections = {
        "Start": [
            st.Page("pages/home.py", title="Home", icon=":material/home:", default=True),
            st.Page("pages/glossary.py", title="Glossary", icon=":material/menu_book:"),
        ]
    }
    for group, members in chapters().items():
        sections[group] = [
            st.Page(page_of(one.name), title=one.title, icon=one.icon, help=one.question) for one in members
        ]
    page = st.navigation(sections)
    st.set_page_config(page_title="Epoch Atlas" if page.url_path == "" else f"{page.title} · Epoch Atlas")
    return page


def insist() -> None:
    """Start over through the entry file where a page was run without it.

    Until ``st.navigation`` is called for the first time in a process, Streamlit takes a folder ``pages`` for its
    older way of having pages and runs the one that a deep link names directly.
    """
    if not _navigated:
        configure()
        navigate()
        st.rerun()
