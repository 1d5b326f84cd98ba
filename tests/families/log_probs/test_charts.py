"""Charts of log-probabilities: what is drawn from which rows."""

import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from core.families.log_probs import charts


def rows_of(chart, layer):
    """Return the rows behind a layer, as the browser gets them."""
    spec = chart.to_dict()
    data = spec["layer"][layer].get("data") or spec["data"]
    return spec["datasets"][data["name"]]


def test_heat_spans_viridis_and_keeps_text_readable():
    styles = charts.heat(pd.Series([-50.0, np.nan, -25.0, -37.5]))
    assert styles[0] == "background-color: #440154; color: white"
    assert styles[1] == ""
    assert styles[2] == "background-color: #fde725; color: black"
    assert charts.heat(pd.Series([1.0, 1.0])) == ["", ""]
    assert charts.heat(pd.Series([np.nan, 2.0])) == ["", ""]


def test_ridges_rise_from_their_digits_line_in_one_scale():
    bars = pd.DataFrame(
        {"label": [0, 0, 1, 1], "low": [-2, -1, -2, -1], "high": [-1, 0, -1, 0], "images": [1, 3, 4, 0]}
    ).assign(share=[0.25, 0.75, 1.0, 0.0])
    chart = charts.ridges(bars, chosen=1)
    ones = rows_of(chart, 1)
    assert [row["base"] - row["top"] for row in ones] == pytest.approx([charts.RIDGE, 0])
    assert [row["base"] - row["top"] for row in rows_of(chart, 0)] == pytest.approx(
        [0.25 * charts.RIDGE, 0.75 * charts.RIDGE]
    )
    assert chart.to_dict()["layer"][1]["encoding"]["color"]["condition"]["test"] == "(datum['label'] === 1)"
    assert charts.ridges(bars).to_dict()["layer"][0]["encoding"]["color"] == {"value": charts.BLUE}
    with pytest.raises(DataError, match="share"):
        charts.ridges(bars.drop(columns="share"))


def test_tightening_has_a_logarithmic_axis_and_error_bars():
    frame = pd.DataFrame({"series": "all digits", "samples": [1, 10], "missing": [2.0, 0.5], "missing_error": 0.1})
    chart = charts.tightening(frame)
    spec = chart.to_dict()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["type"] == "log"
    assert [(r["low"], r["high"]) for r in rows_of(chart, 1)] == [(pytest.approx(1.9), pytest.approx(2.1)), (0.4, 0.6)]
    assert spec["layer"][0]["encoding"]["color"]["legend"] is None


def test_contributions_stack_to_the_mark():
    frame = pd.DataFrame({"label": [0, 1], "log_prob": [-3.0, 5.0], "reconstruction": [-2.0, 4.0]})
    frame = frame.assign(kl=[-2.0, 0.5], slack=[1.0, 0.5])
    chart = charts.contributions(frame, chosen=1)
    stacked = pd.DataFrame(rows_of(chart, 0)).groupby("label")["nats"].sum()
    assert stacked.to_dict() == {0: -3.0, 1: 5.0}
    assert {row["term"] for row in rows_of(chart, 0)} == {"reconstruction", "KL", "slack"}


def test_the_chosen_digit_is_drawn_over_the_others():
    frame = pd.DataFrame({"label": [0, 1, 2], "log_prob": [-3.0, -1.0, -2.0], "ink": [0.1, 0.05, 0.1]})
    chart = charts.against(frame, x="ink", title_x="ink", chosen=1)
    assert [row["label"] for row in rows_of(chart, 0)] == [0, 2]
    assert [row["label"] for row in rows_of(chart, 1)] == [1]
    assert len(rows_of(charts.against(frame, x="ink", title_x="ink"), 0)) == 3


def test_estimators_carry_the_error_of_the_difference():
    frame = pd.DataFrame({"index": [5, 2], "label": [1, 0], "gap": [1.0, 0.0], "log_prob": -3.0})
    frame = frame.assign(standard_error=0.3, ais_log_prob=-2.0, ais_standard_error=0.4)
    rows = rows_of(charts.estimators(frame), 1)
    assert [row["label"] for row in rows] == [0, 1]
    assert rows[1]["high"] - rows[1]["low"] == pytest.approx(1.0)


def test_running_estimate_has_the_final_band():
    frame = pd.DataFrame({"samples": [1, 10, 100], "log_prob": [-5.0, -4.0, -3.9]})
    (band,) = rows_of(charts.running(frame, log_prob=-3.9, error=0.1), 0)
    assert (band["from"], band["to"]) == (1, 100)
    assert (band["low"], band["high"]) == (pytest.approx(-4.0), pytest.approx(-3.8))


def test_gaps_stack_amortisation_on_approximation():
    frame = pd.DataFrame({"name": ["a", "b"], "approximation": [1.0, 2.0], "amortisation": [0.5, 0.25]})
    frame = frame.assign(approximation_error=0.1, amortisation_error=0.05)
    rows = pd.DataFrame(rows_of(charts.gaps(frame), 0)).set_index(["name", "part"])
    assert rows.loc[("a", "amortisation gap"), "start"] == 1.0
    assert rows.loc[("b", "amortisation gap"), "end"] == 2.25


def test_course_names_the_line_it_rises_to():
    frame = pd.DataFrame({"samples": [1, 2], "log_prob": [-9.0, -8.0]})
    chart = charts.course(frame, log_prob=-7.5)
    assert rows_of(chart, 1) == [{"log_prob": -7.5, "says": "log p(x)"}]
    assert [row["elbo"] for row in rows_of(chart, 0)] == [-9.0, -8.0]
