"""Charts of the 2-D GAN: valid Vega-Lite, columns checked, input untouched."""

import altair as alt
import pandas as pd
import pytest

from core.chapters.gan_2d.charts import mode_shares, over_steps
from core.errors import DataError

STEPS = pd.DataFrame({"step": [0, 30, 60] * 2, "series": ["a"] * 3 + ["b"] * 3, "value": [0.5, 0.0, 0.2, 1, 2, 3]})
SHARES = pd.DataFrame({"mode": [0, 1], "share": [0.4, 0.5], "true": [0.5, 0.5], "low": [0.3, 0.4], "high": [0.5, 0.6]})


def spec(chart):
    """Return the chart's specification, checked against Vega-Lite's schema."""
    found = chart.to_dict()
    alt.LayerChart.from_dict(found)
    return found


def rows(found):
    return [len(one) for one in found["datasets"].values()]


def test_over_steps_draws_series_and_cursor():
    before = STEPS.copy()
    found = spec(over_steps(STEPS, title_y="nats", step=30, level=1.0))
    assert 6 in rows(found)
    assert {"step": 30} in [row for data in found["datasets"].values() for row in data]
    assert {"value": 1.0} in [row for data in found["datasets"].values() for row in data]
    pd.testing.assert_frame_equal(STEPS, before)


def test_a_log_axis_leaves_out_what_it_cannot_show():
    found = spec(over_steps(STEPS, title_y="nats", log=True))
    assert rows(found) == [5]


def test_a_fixed_domain_and_runs_as_dashes():
    found = spec(over_steps(STEPS.assign(run="one"), title_y="share", domain=(0, 1)))
    encoding = found["layer"][0]["encoding"]
    assert encoding["y"]["scale"]["domain"] == [0, 1]
    assert encoding["strokeDash"]["field"] == "run"


def test_mode_shares_draws_a_bar_a_mode():
    found = spec(mode_shares(SHARES))
    assert rows(found) == [2]
    assert [layer["mark"]["type"] for layer in found["layer"]] == ["bar", "rule", "tick"]


@pytest.mark.parametrize(
    ("chart", "frame", "settings"),
    [(over_steps, STEPS, {"title_y": "x"}), (mode_shares, SHARES, {})],
)
def test_missing_columns_are_named(chart, frame, settings):
    name = frame.columns[-1]
    with pytest.raises(DataError, match=name):
        chart(frame.drop(columns=name), **settings)
