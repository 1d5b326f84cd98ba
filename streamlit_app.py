"""Epoch Atlas: page configuration and navigation. Run with ``streamlit run streamlit_app.py``."""

import streamlit as st

from core.configs import EXPERIMENTS
from core.settings import ROOT

GROUPS = (
    "Networks",
    "Autoencoders",
    "Variational models",
    "Few labels",
    "Adversarial models",
    "Workshop",
)

st.set_page_config(page_title="Epoch Atlas", page_icon=str(ROOT / "pages" / "_ui" / "icon.svg"), layout="wide")

sections = {"Start": [st.Page("pages/home.py", title="Home", icon=":material/home:", default=True)]}
for group in GROUPS:
    chapters = [
        st.Page(f"pages/{one.name}.py", title=one.title, icon=one.icon, help=one.question)
        for one in EXPERIMENTS.values()
        if one.group == group and (ROOT / "pages" / f"{one.name}.py").is_file()
    ]
    if chapters:
        sections[group] = chapters

st.navigation(sections).run()
