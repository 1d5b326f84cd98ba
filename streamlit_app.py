"""Epoch Atlas: page configuration and navigation. Run with ``streamlit run streamlit_app.py``."""

from pages._ui.shell import navigation as atlas

atlas.configure()
atlas.navigate().run()
