"""Epoch Atlas: page configuration and navigation. Run with ``streamlit run streamlit_app.py``."""

import streamlit as st

from core.settings import ROOT
from pages._ui import atlas

ICON = str(ROOT / "pages" / "_ui" / "icon.svg")

st.set_page_config(page_title="Epoch Atlas", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")

sections = {
    "Start": [
        st.Page(
            "pages/home.py", title="Home", icon=":material/home:", default=True, help="The chapters, data and runs"
        ),
        st.Page(
            "pages/glossary.py", title="Glossary", icon=":material/menu_book:", help="The field's terms, in a sentence"
        ),
    ]
}
for group, chapters in atlas.chapters().items():
    sections[group] = [
        st.Page(atlas.page_of(one.name), title=one.title, icon=one.icon, help=one.question) for one in chapters
    ]

st.navigation(sections).run()
