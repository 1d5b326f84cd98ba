"""Histograms, bars and heat maps: counts are conserved, axes are titled, tables are left alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.distributions import bars, binned, histogram
from core.charts.heatmap import heatmap
from core.charts.palette import DIVERGING
from core.errors import DataError

CELLS = pd.DataFrame({"row": ["a", "a", "b", "b"], "column": [0, 1, 0, 1], "value": [0.0, 0.5, 1.0, 0.25]})


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(1, 50))
def test_every_finite_value_is_counted_once(values, bins):
    frame = pd.DataFrame({"value": [*values, np.nan, np.inf]})
    counts = binned(frame, bins)
    assert counts["count"].sum() == len(values)
    assert (counts["high"] > counts["low"]).all()


def test_series_share_their_bins_and_the_table_is_left_alone():
    frame = pd.DataFrame({"value": [0.0, 1.0, 5.0, 9.0, 10.0], "series": ["real", "real", "fake", "fake", "fake"]})
    before = frame.copy()
    counts = binned(frame, 5)
    pd.testing.assert_frame_equal(frame, before)
    edges = counts.groupby("series")[["low", "high"]].agg(list)
    assert edges.loc["real", "low"] == edges.loc["fake", "low"] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert counts[counts["series"] == "real"]["count"].tolist() == [2, 0, 0, 0, 0]


def test_a_histogram_has_titles_and_marks_a_value():
    spec = histogram(pd.DataFrame({"value": [1.0, 2.0]}), title_x="log p(x) (nats)", mark=1.5).to_dict()
    bar, rule = spec["layer"]
    assert bar["encoding"]["x"]["title"] == "log p(x) (nats)"
    assert bar["encoding"]["y"]["title"] == "images"
    assert spec["datasets"][rule["data"]["name"]] == [{"low": 1.5}]


def test_bars_start_at_zero_and_stress_the_chosen_one():
    frame = pd.DataFrame({"digit": [0, 1], "bits": [2.0, 3.0]})
    spec = bars(frame, x="digit", y="bits", title_x="digit", title_y="bits", chosen="1").to_dict()
    assert spec["encoding"]["y"] == {"field": "bits", "title": "bits", "type": "quantitative"}  # bars start at 0
    assert "1" in str(spec["encoding"]["opacity"]["condition"]["test"])
    assert frame["digit"].dtype.kind == "i"


@pytest.mark.parametrize("diverging", [False, True])
@pytest.mark.parametrize("numbers", [False, True])
def test_a_heat_map_keeps_its_domain(diverging, numbers):
    before = CELLS.copy()
    chart = heatmap(
        CELLS,
        x="column",
        y="row",
        value="value",
        title_x="x",
        title_y="y",
        title_value="share",
        domain=(0, 2),
        diverging=diverging,
        numbers=numbers,
    )
    pd.testing.assert_frame_equal(CELLS, before)
    spec = chart.to_dict()
    scale = spec["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0, 2]
    assert scale.get("range") == (list(DIVERGING) if diverging else None)
    assert len(spec["layer"]) == (2 if numbers else 1)


def test_a_heat_map_without_domain_renders():
    spec = heatmap(CELLS, x="column", y="row", value="value", title_x="x", title_y="y", title_value="share").to_dict()
    assert "domain" not in spec["layer"][0]["encoding"]["color"]["scale"]


def test_missing_columns_are_named():
    with pytest.raises(DataError, match="histogram lacks"):
        binned(pd.DataFrame({"x": [1]}))
    with pytest.raises(DataError, match="bar chart lacks"):
        bars(pd.DataFrame({"x": [1]}), x="x", y="y", title_x="x", title_y="y")
    with pytest.raises(DataError, match="heat map lacks"):
        heatmap(CELLS, x="column", y="row", value="no", title_x="x", title_y="y", title_value="share")
