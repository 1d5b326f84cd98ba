"""The table beside the references: this run, the report, published, and how their protocols differ."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.story import Reference
from pages._ui.show import downloads
from pages._ui.show.contents import heading
from pages._ui.show.panels import panel


def frame_of(rows: Sequence[Reference]) -> pd.DataFrame:
    """Return the rows as the table that is shown."""
    return pd.DataFrame(
        {
            "Measure": [row.measure for row in rows],
            "This run": [row.this_run for row in rows],
            "Report": [row.report for row in rows],
            "Published": [row.published for row in rows],
            "Source": [row.source for row in rows],
            "Protocol": [row.protocol for row in rows],
        }
    )


def references(rows: Sequence[Reference], title: str = "This run, the report, and what was published") -> None:
    """Show the rows with source and protocol difference; cells may hold Markdown links."""
    frame = frame_of(rows)
    heading("Beside the references", "references")
    with panel(title):
        with st.container(key="references"):
            st.table(frame.set_index("Measure"))
        downloads.csv(frame, "references")
