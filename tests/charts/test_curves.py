"""Curves: the table is checked and left alone, the smoothing does what it says, every option renders."""

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.curves import curves, long_form, smooth
from core.charts.palette import NEUTRAL, OKABE_ITO, TRAIN, VALIDATION, series_colours
from core.errors import DataError

HISTORY = pd.DataFrame(
    {
        "epoch": [1, 2, 3, 4],
        "step": [10, 20, 30, 40],
        "train_loss": [4.0, 2.0, 1.0, 0.5],
        "validation_loss": [4.5, np.nan, 1.5, 1.25],
        "elapsed_s": [1.0, 2.0, 3.0, 4.0],
    }
)
BOTH = {"train_loss": "training", "validation_loss": "validation", "absent": "nothing"}


def spec_of(chart):
    """The validated Vega-Lite specification."""
    return chart.to_dict()


def marks(spec):
    return [layer["mark"]["type"] for layer in spec["layer"]]


def test_long_form_names_series_and_leaves_out_what_was_not_measured():
    frame = long_form(HISTORY, BOTH, run="mnist")
    assert list(frame.columns) == ["epoch", "series", "value", "run"]
    assert frame.groupby("series").size().to_dict() == {"training": 4, "validation": 3}
    assert set(frame["run"]) == {"mnist"}


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.9])
@pytest.mark.parametrize("several", [False, True])
def test_every_option_renders_and_leaves_the_table_alone(log, smoothing, several):
    frame = long_form(HISTORY, BOTH)
    if several:
        frame = pd.concat([frame.assign(run="one"), frame.assign(run="two")], ignore_index=True)
    before = frame.copy()
    spec = spec_of(curves(frame, title_y="loss (nats)", log=log, smoothing=smoothing, epoch=2))
    pd.testing.assert_frame_equal(frame, before)
    line = next(layer for layer in spec["layer"] if layer["mark"].get("strokeWidth") == 2)
    assert line["encoding"]["y"]["title"] == "loss (nats)"
    assert line["encoding"]["x"]["title"] == "epoch"
    assert line["encoding"]["y"]["scale"].get("type") == ("log" if log else None)
    assert ("strokeDash" in line["encoding"]) == several
    assert marks(spec).count("line") == (2 if smoothing else 1)


def datasets(spec, mark):
    """The rows of each layer of that mark."""
    return [spec["datasets"][layer["data"]["name"]] for layer in spec["layer"] if layer["mark"]["type"] == mark]


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 2, 3])
def test_what_is_not_finite_is_marked_and_the_rest_is_drawn_as_without_it(odd, place, log, smoothing):
    values = [4.0, 2.0, 1.0, 0.5]
    finite = [value for index, value in enumerate(values) if index != place]
    values[place] = odd
    frame = pd.DataFrame({"epoch": [1, 2, 3, 4], "series": "training", "value": values})
    spec = spec_of(curves(frame, title_y="loss", log=log, smoothing=smoothing))
    for rows in datasets(spec, "line"):
        assert [row["value"] for row in rows] == finite
        assert all(min(finite) <= row["smoothed"] <= max(finite) for row in rows)
    marked = datasets(spec, "rule") if np.isnan(odd) else datasets(spec, "point")[1:]
    ((mark,),) = marked
    assert mark["epoch"] == place + 1


@pytest.mark.parametrize("values", [[np.nan], [np.inf, np.inf], [np.inf, np.nan, -np.inf]])
def test_a_chart_of_nothing_finite_shows_its_marks(values):
    frame = pd.DataFrame({"epoch": range(1, len(values) + 1), "series": "training", "value": values})
    for smoothing in (0.0, 0.5):
        spec = spec_of(curves(frame, title_y="loss", smoothing=smoothing))
        assert {"line", "point", "rule"} >= set(marks(spec)) - {"text"}
        assert sum(map(len, datasets(spec, "rule"))) + sum(map(len, datasets(spec, "point")[1:])) == len(values)


def test_a_diverged_history_ends_every_series_where_it_broke():
    frame = long_form(HISTORY, BOTH, diverged=7)
    ends = frame[frame["value"].isna()]
    assert ends[["epoch", "series"]].to_numpy().tolist() == [[7, "training"], [7, "validation"]]
    nothing = long_form(HISTORY.iloc[:0], BOTH, "mnist", diverged=1)
    assert nothing["series"].tolist() == ["training", "validation"]
    assert set(nothing["run"]) == {"mnist"}
    assert long_form(HISTORY, BOTH, along="step", diverged=50)["step"].max() == 50


def test_the_first_run_is_solid_whatever_the_names():
    frame = long_form(HISTORY, BOTH)
    both = pd.concat([frame.assign(run="z"), frame.assign(run="a")], ignore_index=True)
    spec = spec_of(curves(both, title_y="loss"))
    scale = spec["layer"][0]["encoding"]["strokeDash"]["scale"]
    assert scale["domain"] == ["z", "a"]
    assert scale["range"][0] == [1, 0]


def test_training_is_blue_and_validation_orange_whatever_their_order():
    colours = dict(zip(["validation", "KL", "training"], series_colours(["validation", "KL", "training"]), strict=True))
    assert colours["training"] == TRAIN
    assert colours["validation"] == VALIDATION
    assert colours["KL"] in set(OKABE_ITO) - {TRAIN, VALIDATION}


def test_there_are_colours_for_any_number_of_series():
    names = [f"series {i}" for i in range(40)]
    assert len(series_colours(names)) == 40
    assert len(set(series_colours(names[:7]))) == 7


def test_the_cursor_stands_at_the_epoch_and_only_if_asked_for():
    frame = long_form(HISTORY, BOTH)
    with_cursor, without = spec_of(curves(frame, title_y="loss", epoch=3)), spec_of(curves(frame, title_y="loss"))
    rule = next(layer for layer in with_cursor["layer"] if layer["mark"]["type"] == "rule")
    assert rule["mark"]["color"] == NEUTRAL
    assert with_cursor["datasets"][rule["data"]["name"]] == [{"epoch": 3}]
    assert "rule" not in marks(without)


def test_a_log_axis_leaves_out_what_has_no_logarithm():
    frame = pd.DataFrame({"epoch": [1, 2, 3], "series": "loss", "value": [1.0, 0.0, -1.0]})
    spec = spec_of(curves(frame, title_y="loss", log=True))
    (data,) = (rows for rows in spec["datasets"].values() if "value" in rows[0])
    assert [row["epoch"] for row in data] == [1]


def test_an_empty_table_and_a_single_epoch_render():
    empty = pd.DataFrame({"epoch": [], "series": [], "value": []})
    assert isinstance(curves(empty, title_y="loss", epoch=1), alt.LayerChart)
    single = pd.DataFrame({"epoch": [1], "series": ["loss"], "value": [1.0]})
    assert "line" in marks(spec_of(curves(single, title_y="loss", epoch=1)))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r"curves lacks the columns \['value'\]"):
        curves(pd.DataFrame({"epoch": [1], "series": ["loss"]}), title_y="loss")


def test_smoothing_is_the_weighted_mean_that_it_says():
    values = pd.Series([3.0, 1.0, 4.0], index=[7, 8, 9])
    weights = np.array([[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]])
    expected = weights @ values.to_numpy() / weights.sum(axis=1)
    np.testing.assert_allclose(smooth(values, 0.5), expected, rtol=1e-12)
    assert list(smooth(values, 0.5).index) == [7, 8, 9]
    pd.testing.assert_series_equal(smooth(values, 0.0), values)


@given(st.lists(st.floats(), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_smoothing_of_any_floats_is_within_the_finite_ones_and_leaves_the_others(values, smoothing):
    smoothed, numbers = smooth(pd.Series(values), smoothing).to_numpy(), np.array(values)
    finite = np.isfinite(numbers)
    np.testing.assert_array_equal(smoothed[~finite], numbers[~finite])
    if finite.any():
        largest = max(np.abs(numbers[finite]).max(), 1.0)
        shares, raw = smoothed[finite] / largest, numbers[finite] / largest
        assert np.isfinite(shares).all()
        assert raw.min() - 1e-9 <= shares.min()
        assert shares.max() <= raw.max() + 1e-9


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_smoothing_stays_within_the_values_and_keeps_a_constant(values, smoothing):
    smoothed = smooth(pd.Series(values), smoothing)
    assert smoothed.min() >= min(values) - 1e-6 * max(1, abs(min(values)))
    assert smoothed.max() <= max(values) + 1e-6 * max(1, abs(max(values)))
    np.testing.assert_allclose(smooth(pd.Series([2.5] * len(values)), smoothing), 2.5, rtol=1e-12)
