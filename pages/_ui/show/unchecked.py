"""Charts without altair's check of every part against the schema, which takes most of a page's time.

The check finds mistakes in a chart's code, not in its data, and the tests render every chart with it.
"""

from __future__ import annotations

from typing import Any, cast

import altair as alt

alt.utils.schemapi.disable_debug_mode()


class _Unchecked:
    """Stands in for a chart where only ``to_dict`` is asked of it."""

    def __init__(self, chart: alt.TopLevelMixin) -> None:
        self._chart = chart

    def to_dict(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._chart.to_dict(validate=False))  # type: ignore[attr-defined]


def unchecked(chart: alt.TopLevelMixin) -> alt.Chart:
    """Return what ``st.altair_chart`` takes for the chart, without the check."""
    return cast(alt.Chart, _Unchecked(chart))
