"""The classifier's charts: what is drawn from which rows."""

import pandas as pd
import pytest

from core.errors import DataError
from core.families.classifiers import charts

DIGITS = tuple("0123456789")


def rows_of(chart, layer):
    """Return the rows behind a layer, as the browser gets them."""
    spec = chart.to_dict()
    data = spec["layer"][layer].get("data") or spec["data"]  # shared data stand at the top
    return spec["datasets"][data["name"]]


@pytest.fixture
def confusion():
    return pd.DataFrame({"label": [4, 4, 9], "predicted": [4, 9, 4], "count": [90, 3, 1]})


def test_every_cell_can_be_clicked_and_only_errors_are_coloured(confusion):
    chart = charts.confusion(confusion, DIGITS, ceiling=7)
    field, errors, numbers = (rows_of(chart, layer) for layer in range(3))
    assert len(field) == 100
    assert {(row["is"], row["read_as"], row["count"]) for row in errors} == {("4", "9", 3), ("9", "4", 1)}
    assert {row["count"] for row in numbers} == {90, 3, 1}
    spec = chart.to_dict()
    assert spec["params"][0]["name"] == charts.CELL
    assert spec["params"][0]["select"]["fields"] == list(charts.CELL_FIELDS)


def test_the_colour_domain_is_the_runs_and_not_the_epochs(confusion):
    for ceiling in (3, 7):
        colour = charts.confusion(confusion, DIGITS, ceiling=ceiling).to_dict()["layer"][1]["encoding"]["color"]
        assert colour["scale"]["domain"] == [0, ceiling]


@pytest.mark.parametrize(
    ("chosen", "outlined"),
    [((None, None), 0), ((4, 9), 1), ((4, 4), 1), ((4, None), 9), ((None, 9), 9)],
    ids=["none", "cell", "diagonal", "row-without-diagonal", "column-without-diagonal"],
)
def test_the_chosen_cells_are_outlined(confusion, chosen, outlined):
    chart = charts.confusion(confusion, DIGITS, ceiling=3, chosen=chosen)
    assert len(rows_of(chart, 3)) == outlined


def test_shares_are_of_the_true_class(confusion):
    field = rows_of(charts.confusion(confusion, DIGITS, ceiling=3), 0)
    shares = {(row["is"], row["read_as"]): row["share"] for row in field}
    assert shares["4", "9"] == pytest.approx(3 / 93)
    assert shares["0", "0"] == 0  # a class without images


def test_calibration_draws_points_whiskers_and_the_ideal():
    bins = pd.DataFrame(
        {"confidence": [0.7], "accuracy": [0.8], "count": [5], "accuracy_low": [0.4], "accuracy_high": [0.9]}
    )
    spec = charts.calibration(bins).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["line", "rule", "circle"]
    assert spec["layer"][2]["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_only_the_largest_probability_is_marked():
    frame = pd.DataFrame({"label": range(10), "probability": [0.05] * 9 + [0.55]})
    rows = rows_of(charts.probabilities(frame, DIGITS), 0)
    assert [row["name"] for row in rows if row["largest"]] == ["9"]


def test_the_epoch_shown_is_outlined_in_the_map_of_answers():
    frame = pd.DataFrame({"epoch": [1, 1, 5, 5], "label": [0, 1, 0, 1], "probability": [0.4, 0.6, 0.1, 0.9]})
    chart = charts.answer_over_epochs(frame, DIGITS, epoch=5)
    assert rows_of(chart, 1) == [{"epoch": 5}]
    assert len(rows_of(chart, 0)) == 4


@pytest.mark.parametrize("draw", [lambda f: charts.confusion(f, DIGITS, ceiling=1), charts.calibration])
def test_a_table_without_the_columns_is_refused_and_inputs_stay_as_they_were(draw, confusion):
    with pytest.raises(DataError, match="lacks the columns"):
        draw(pd.DataFrame({"label": [1]}))
    before = confusion.copy()
    charts.confusion(confusion, DIGITS, ceiling=1)
    pd.testing.assert_frame_equal(confusion, before)
