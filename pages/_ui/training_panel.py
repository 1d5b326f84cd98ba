"""The sidebar's Retrain panel: a form derived from the config, the running job, its live curves."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import settings
from core.configs import Experiment
from core.training.runs import Run


def training_panel(about: Experiment, runs: Sequence[Run], shown: Run | None) -> None:
    """Show the Retrain panel of an experiment in the sidebar."""
    with st.sidebar:
        st.markdown("**Retrain**")
        if settings.read_only():
            st.caption("Training is switched off in this deployment.")
