"""How every page begins: navigation seen to, the few rules of style, the bar of running jobs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from pages._ui.controls import links
from pages._ui.shell import jobbar
from pages._ui.shell import navigation as atlas

# A control that moves writes the address; Streamlit would make a stop for the Back button of every such step. What
# changes the parameters of the page alone replaces the entry, so that one press of Back leaves the page.
ONE_STOP = """<script>
if (!window.oneStop) {
  window.oneStop = true;
  const push = history.pushState.bind(history);
  history.pushState = (state, title, url) => {
    const to = new URL(url ?? location.href, location.href);
    if (to.pathname === location.pathname && to.hash === "") history.replaceState(state, title, url);
    else push(state, title, url);
  };
}
</script>"""


@cache
def _rules() -> str:
    return f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"


def begin(chapter: str = "") -> None:
    """Begin a page: call this before anything is shown, with the chapter's name on the page of one."""
    atlas.insist()
    links.arrive(chapter)
    st.html(_rules())
    with st.container(key="one-stop"):
        st.html(ONE_STOP, unsafe_allow_javascript=True)
    jobbar.job_bar()
