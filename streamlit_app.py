"""Epoch Atlas: page configuration and navigation. Run with ``streamlit run streamlit_app.py``."""

from pages._ui import atlas

atlas.configure()
atlas.navigate().run()
